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
