"""Settings: logs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

MIB = 1024 * 1024


class LogSettings(BaseSettings):
    """Logs."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged."
    )
    log_file: Path | None = Field(
        None,
        description="File that receives every log line too; it rotates, and all processes share "
        "it.",
    )
    log_file_bytes: int = Field(10 * MIB, ge=1024, description="Size at which LOG_FILE rotates.")
    log_file_count: int = Field(5, ge=1, description="Number of rotated log files to keep.")
