"""Settings: time limits of waits, keep-alive and shutdown; history."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class TimeoutAndCacheSettings(BaseSettings):
    """Waiting and shutdown of the service."""

    max_wait: float = Field(
        60,
        gt=0,
        description="Maximum of ?wait= in seconds; proxies close connections that are silent for "
        "longer. An event stream, which is never silent, lasts sixty times as long.",
    )
    keepalive_timeout: float = Field(
        15, gt=0, description="Seconds an idle or half-sent request keeps its connection."
    )
    shutdown_timeout: float = Field(
        10, gt=0, description="Seconds that running requests may take when the service stops."
    )
    sync_timeout: float = Field(
        30,
        gt=0,
        description="Seconds POST /convert/ waits for a worker; then 503 and a Location.",
    )
    items_timeout: float = Field(
        300,
        gt=0,
        description="Seconds POST /items/ waits for the workers; then 503: send it again.",
    )
    legacy_status: bool = Field(
        False,
        description="Report PENDING instead of STARTED, for clients of the older upscaler that do "
        "not know STARTED.",
    )
