"""Settings: Redis, MongoDB and the folder of the embedded stores."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from models.settings.group import Group


class StoreSettings(Group):
    """Stores and folders."""

    data_dir: Path = Field(
        Path("data"),
        description="Folder for the data of the embedded stores and process ids (make run), and "
        "for e-mails that are not sent because SMTP_HOST is empty.",
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
    store_timeout: float = Field(
        5,
        gt=0,
        description="Seconds to wait for Redis, for a MongoDB server, or for a majority of them. A "
        "MongoDB that does not answer is noticed after three seconds at most; then requests get "
        "their 503 at once.",
    )
