"""Settings: Prometheus metrics."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class MetricsSettings(BaseSettings):
    """Prometheus metrics."""

    metrics: bool = Field(
        True,
        description="Serve GET /metrics for Prometheus. It shows no secret, but how much the "
        "service is used: a proxy in front should not publish it. Set it alike for services and "
        "workers.",
    )
    metrics_interval_seconds: float = Field(
        5, gt=0, description="Seconds between two snapshots that a worker writes of its metrics."
    )
    metrics_retention_seconds: float = Field(
        300,
        gt=0,
        le=3600,
        description="Seconds the counters of a stopped worker are still shown, so that a scrape "
        "sees their last values; set it longer than the scrape interval.",
    )
    metrics_workers_max: int = Field(
        500,
        ge=1,
        description="Workers whose metrics one scrape shows; the latest heartbeats come first.",
    )
