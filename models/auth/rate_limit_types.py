"""A rate limit and its current state, as ``models.redis.rate_counters`` counts them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """One limit: the name of its setting, its value (``120/minute``) and the counted client."""

    setting: str
    rate: str
    subject: str


@dataclass(frozen=True)
class RateLimitState:
    """State of a limit: ``remaining`` of ``limit`` requests until ``reset_seconds`` from now."""

    rate_limit: RateLimit
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    allowed: bool
