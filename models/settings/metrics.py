"""Settings: what it measures."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class Measures(BaseSettings):
    """What it measures."""

    metrics: bool = Field(
        True,
        description="Answer GET /metrics for Prometheus. It tells no secret, but what is going on: "
        "a proxy in front should not publish it. Say the same to services and workers.",
    )
    metrics_seconds: float = Field(
        2, gt=0, description="Pause between two snapshots that a worker writes of its figures."
    )
    metrics_kept_seconds: float = Field(
        300,
        gt=0,
        le=3600,
        description="Seconds the counters of a worker that ended are still shown, so that a scrape "
        "sees the last of them; longer than the pause between two scrapes.",
    )
    metrics_workers: int = Field(
        500, ge=1, description="Workers whose figures one scrape shows, those heard last first."
    )
