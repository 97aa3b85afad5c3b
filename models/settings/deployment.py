"""Settings: addresses, folders, stores and processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class DeploymentSettings(BaseSettings):
    """Addresses, folders, stores and processes."""

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port the service listens on.")
    data_dir: Path = Field(
        Path("data"),
        description="Folder for the data of the embedded stores and process ids (make run), and "
        "for e-mails that are not sent because SMTP_HOST is empty.",
    )
    public_url: str = Field(
        "",
        description="URL of the service for users, e.g. https://pictures.example.org; links in "
        "e-mails begin with it. Empty: http://localhost:PORT.",
    )
    images_root: Path | None = Field(
        None,
        description="Folder below which POST /items/ reads and writes; empty: that route is off.",
    )
    workers: int = Field(1, ge=1, le=64, description="arq worker processes (make run only).")
    worker_processes: int = Field(
        0,
        ge=0,
        le=256,
        description="Child processes of each worker that do the pixel work; 0: the cores divided "
        "by WORKERS.",
    )
    redis_url: str = Field(
        "", description="Redis, e.g. redis://redis:6379/0; empty: make run starts its own."
    )
    mongo_url: str = Field(
        "",
        description="MongoDB replica set or sharded cluster, e.g. "
        "mongodb://mongo:27017/?replicaSet=darkroom; empty: make run starts its own.",
    )
    mongo_db: str = Field("darkroom", description="Name of the database.")
    weights_dir: Path | None = Field(
        None,
        description="Folder with further networks (.pb) and manifests of your own, searched "
        "before the bundled ones; empty: weights/fetched, where make weights puts them.",
    )
