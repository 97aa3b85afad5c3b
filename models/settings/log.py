"""Settings: what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

MIB = 1024 * 1024


class Logs(BaseSettings):
    """What it says."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line that is written."
    )
    log_file: Path | None = Field(
        None, description="File that gets every log line too, rotated; all processes share it."
    )
    log_file_bytes: int = Field(10 * MIB, ge=1024, description="Size at which LOG_FILE rotates.")
    log_file_count: int = Field(5, ge=1, description="Rotated log files kept.")
