"""Settings: where it runs."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class Place(BaseSettings):
    """Where it runs."""

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port the service listens on.")
    data_dir: Path = Field(
        Path("data"),
        description="Data of the embedded stores and process ids (make run), and letters that "
        "were not sent because SMTP_HOST is empty.",
    )
    public_url: str = Field(
        "",
        description="Where people reach the service, e.g. https://pictures.example.org: links in "
        "letters begin with it; empty: http://localhost:PORT.",
    )
    images_root: Path | None = Field(
        None, description="Folder that POST /items/ reads and writes below; empty: it is off."
    )
    workers: int = Field(1, ge=1, le=64, description="arq worker processes (make run only).")
    worker_processes: int = Field(
        0,
        ge=0,
        le=256,
        description="Child processes of each worker that do the pixel work; "
        "0 = the cores divided by WORKERS.",
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
        description="Folder with further networks (.pb) and manifests of your own, searched before "
        "the bundled ones; empty: weights/fetched, where make weights puts them.",
    )
