"""Settings: how it answers."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

KIB = 1024
MIB = 1024 * KIB


class Answers(BaseSettings):
    """How it answers."""

    max_wait: float = Field(
        60, gt=0, description="Longest ?wait= in seconds; proxies close what is silent longer."
    )
    keepalive_timeout: float = Field(
        15, gt=0, description="Seconds an idle or half-sent request keeps its connection."
    )
    shutdown_timeout: float = Field(
        10, gt=0, description="Seconds the service gives answers in flight when it is stopped."
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
    cache_max_bytes: int = Field(
        64 * KIB, ge=0, description="Largest result kept in Redis when asked for often; 0: none."
    )
    cache_ttl: int = Field(600, ge=1, description="Seconds a result stays in Redis.")
    cache_total_bytes: int = Field(
        64 * MIB,
        ge=0,
        description="Memory Redis may use in all before no more results are put there.",
    )
    max_history: int = Field(
        300,
        ge=1,
        description="Pictures that ended and the page at / remembers, in each browser; never "
        "forgotten are those not sent yet.",
    )
    legacy_status: bool = Field(
        False,
        description="Say PENDING where the contract says STARTED, for clients of the older "
        "upscaler that know no STARTED.",
    )
