"""All settings of Darkroom: one frozen object, read once at an entry point and passed down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import BadSettings

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Every variable of the environment that Darkroom reads, upper case, with its default.

    The descriptions are the reasons; ``python -m models env`` prints ``env_example`` from them.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    # Where it runs
    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port the service listens on.")
    data_dir: Path = Field(
        Path("data"), description="Data of the embedded stores and process ids (make run only)."
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
        None, description="Folder with further networks (.pb), searched before the bundled ones."
    )

    # What may come in
    max_upload_bytes: int = Field(
        32 * MIB, ge=1, description="Largest picture file; larger is refused while it arrives."
    )
    max_pixels: int = Field(
        50_000_000, ge=1, description="Most pixels of an input: a decoded pixel takes 3 bytes."
    )
    max_output_pixels: int = Field(
        200_000_000, ge=1, description="Most pixels of a result, for the same reason."
    )
    max_fields: int = Field(20, ge=1, description="Most parts of one form; bounds parsing work.")
    max_field_bytes: int = Field(
        1024, ge=1, description="Longest value of a form field that is not a picture."
    )
    max_name_length: int = Field(
        100, ge=16, le=200, description="Longest file name kept, in characters; the stem is cut."
    )
    max_names_per_task: int = Field(
        100, ge=1, description="Names kept for the same bytes; further ones get the first's URL."
    )
    upload_timeout: float = Field(
        120, gt=0, description="Seconds one upload may take in all; then 408."
    )
    upload_min_rate: int = Field(
        8192, ge=1, description="Bytes a second an upload must keep up on average; else 408."
    )
    upload_grace: float = Field(
        5, gt=0, description="Seconds an upload may stall before UPLOAD_MIN_RATE is asked of it."
    )

    # How it answers
    max_wait: float = Field(
        60, gt=0, description="Longest ?wait= in seconds; proxies close what is silent longer."
    )
    keepalive_timeout: float = Field(
        15, gt=0, description="Seconds an idle or half-sent request keeps its connection."
    )
    shutdown_timeout: float = Field(
        10, gt=0, description="Seconds the service gives answers in flight when it is stopped."
    )

    # How it works
    task_timeout: float = Field(
        300, gt=0, description="Seconds the pixel work of one task may take; then FAILURE."
    )
    tile_pixels: int = Field(
        160,
        ge=32,
        le=4096,
        description="Side of an upscaler's tile: bounds memory; this one fits the cores' caches.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Times a task is tried when its process dies; then worker_crashed."
    )
    lease_seconds: float = Field(
        10, gt=0, description="Silence after which a worker's task is given to another."
    )
    sweep_seconds: float = Field(
        2, gt=0, description="Pause between two looks for tasks that nobody rang or that stalled."
    )
    drain_seconds: int = Field(
        10, ge=1, description="Seconds a stopping worker gives its tasks before handing them back."
    )
    orphan_seconds: float = Field(
        3600, gt=0, description="Age at which bytes that belong to no task are deleted."
    )
    worker_seen_seconds: float = Field(
        6, gt=0, description="Silence after which /readyz no longer counts a worker."
    )
    store_timeout: float = Field(
        5,
        gt=0,
        description="Seconds to wait for Redis, or for a MongoDB server; one that is frozen takes "
        "up to four times as long to be answered with 503.",
    )

    # What it says
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line that is written."
    )
    log_file: Path | None = Field(
        None, description="File that gets every log line too, rotated; all processes share it."
    )
    log_file_bytes: int = Field(10 * MIB, ge=1024, description="Size at which LOG_FILE rotates.")
    log_file_count: int = Field(5, ge=1, description="Rotated log files kept.")

    @field_validator("weights_dir", "log_file", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment and ``.env``.

        Raises:
            BadSettings: a value is not one that its setting takes; says which and why.
        """
        try:
            return cls()
        except ValidationError as error:
            problems = [
                f"{str(p['loc'][0]).upper()}={p['input']!r}: {p['msg']}" for p in error.errors()
            ]
            raise BadSettings("; ".join(problems)) from None

    @property
    def children(self) -> int:
        """Child processes of one worker: WORKER_PROCESSES, or the cores divided by WORKERS."""
        return self.worker_processes or max(1, cores() // self.workers)

    def with_stores(self) -> Self:
        """Return self if both stores are named.

        Raises:
            BadSettings: REDIS_URL or MONGO_URL is empty.
        """
        missing = [n for n in ("REDIS_URL", "MONGO_URL") if not getattr(self, n.lower())]
        if missing:
            raise BadSettings(
                f"{' and '.join(missing)} must be set (make run starts embedded stores by itself)"
            )
        return self


def cores() -> int:
    """Return the number of cores this process may use: its affinity, and its container's quota."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return allowed


def env_example() -> str:
    """Return the text of ``env_example``: every variable, its reason and its default."""
    lines = [
        "# Every setting of Darkroom with its default. Copy to .env, or set in the environment.",
        "# Written by `python -m models env > env_example`; a test holds it against the class.",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else field.default
        lines += ["", f"# {field.description}", f"{name.upper()}={default}"]
    return "\n".join(lines) + "\n"
