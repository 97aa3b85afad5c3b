"""Settings: logs and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from models.settings.group import Group


class MonitoringSettings(Group):
    """Logs and metrics."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto",
        description="How lines are written to stderr: console, a line to read, or json, an object "
        "to parse; auto: console on a terminal, else json. LOG_FILE gets json always.",
    )
    log_file: Path | None = Field(
        None,
        description="File that receives every log line too; it rotates at 10 MiB, and all "
        "processes share it.",
    )
    metrics: bool = Field(
        True,
        description="Serve GET /metrics for Prometheus. It shows no secret, but how much the "
        "service is used: a proxy in front should not publish it. Set it alike for services and "
        "workers.",
    )
