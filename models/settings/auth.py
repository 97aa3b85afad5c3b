"""Settings: API keys, signed links and rate limits."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_RATE_FIELDS = (
    "rate_limit_submit",
    "rate_limit_submit_address",
    "rate_limit_read",
    "rate_limit_read_address",
    "rate_limit_auth_failures",
)


class AuthSettings(BaseSettings):
    """API keys, signed links and rate limits."""

    api_keys: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether requests need a key (python -m service keys create NAME); auto: "
        "unless HOST is loopback. On other addresses the service starts only with a key or with "
        "ALLOW_ANONYMOUS.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Accept requests without a key, on any address: for networks whose members "
        "are all trusted. All anonymous clients share their tasks. A wrong key is still refused, "
        "and routes for an admin's key (GET /metrics, POST /items/) need one while keys are on.",
    )
    key_cache_seconds: float = Field(
        2,
        ge=0,
        le=60,
        description="Seconds a service caches what it knows of a key; a revoked key may pass for "
        "as long.",
    )
    key_session_seconds: int = Field(
        12 * 3600, ge=60, description="Seconds that a key entered on the page stays valid there."
    )
    link_ttl: int = Field(
        3600,
        ge=1,
        description="Seconds a signed link to a result is valid, if the request names no time.",
    )
    link_ttl_max: int = Field(
        7 * 86400,
        ge=1,
        description="Maximum seconds that a request may name; links in e-mails are valid as long.",
    )
    rate_limits: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the limits below apply; auto: unless HOST is loopback and keys are "
        "off. Write them as 120/minute or 5/second;2000/hour; empty: no limit.",
    )
    rate_limit_submit: str = Field(
        "120/minute", description="Requests of one key that submit or change something."
    )
    rate_limit_submit_address: str = Field(
        "240/minute",
        description="The same requests of one client address (see PROXIES), with any key.",
    )
    rate_limit_read: str = Field("1200/minute", description="All other requests of one key.")
    rate_limit_read_address: str = Field(
        "2400/minute", description="All other requests of one client address, with any key."
    )
    rate_limit_auth_failures: str = Field(
        "30/minute",
        description="Wrong keys and signatures from one client address; beyond it, keys and "
        "signatures from there are refused unchecked for a while.",
    )
    rate_limit_fail_mode: Literal["open", "closed"] = Field(
        "open",
        description="While Redis does not answer: open: each service counts by itself; closed: "
        "requests are refused with 503.",
    )
    rate_limit_timeout: float = Field(
        0.25, gt=0, le=5, description="Seconds a request waits for Redis to count it."
    )

    @field_validator(*_RATE_FIELDS)
    @classmethod
    def _check_rate(cls, value: str) -> str:
        # Not by the library: it takes half a second to import, and every child reads settings.
        if value and not all(_RATE.fullmatch(part) for part in value.split(";")):
            raise ValueError("write it as 120/minute, or 5/second;2000/hour")
        return value
