"""Settings: who may come in, and how often."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_RATES = (
    "rate_limit_submit",
    "rate_limit_submit_address",
    "rate_limit_read",
    "rate_limit_read_address",
    "rate_limit_failures",
)


class Access(BaseSettings):
    """Who may come in, and how often."""

    api_keys: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether calls need a key (python -m service keys create NAME); auto: unless "
        "HOST is loopback. On another address nothing starts without a key or ALLOW_ANONYMOUS.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Let in who shows no key, on whatever address: for networks whose every member "
        "is trusted. All of them share their tasks; a wrong key is refused all the same, and what "
        "takes an admin's key (GET /metrics, POST /items/) takes it while keys are on.",
    )
    key_seconds: float = Field(
        2,
        ge=0,
        le=60,
        description="Seconds a service goes by what it knows of a key; so long one that was "
        "revoked may still pass.",
    )
    key_session_seconds: int = Field(
        12 * 3600, ge=60, description="Seconds a key that was entered on the page is good there."
    )
    link_ttl: int = Field(
        3600, ge=1, description="Seconds a signed link to a result is good, where none are asked."
    )
    link_ttl_most: int = Field(
        7 * 86400,
        ge=1,
        description="Most seconds that may be asked for; links in letters are good as long.",
    )
    rate_limits: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the limits below hold; auto: unless HOST is loopback and keys are "
        "off. They are written 120/minute, 5/second;2000/hour; empty: none.",
    )
    rate_limit_submit: str = Field(
        "120/minute", description="Calls of one key that submit or change something."
    )
    rate_limit_submit_address: str = Field(
        "240/minute", description="The same of one client address (see PROXIES), whatever keys."
    )
    rate_limit_read: str = Field("1200/minute", description="All other calls of one key.")
    rate_limit_read_address: str = Field(
        "2400/minute", description="The same of one client address, whatever keys."
    )
    rate_limit_failures: str = Field(
        "30/minute",
        description="Wrong keys and signatures from one client address; then none from there is "
        "looked at for a while.",
    )
    rate_limit_fail: Literal["open", "closed"] = Field(
        "open",
        description="While Redis does not answer, each service counts by itself (open), or calls "
        "are refused with 503 (closed).",
    )
    rate_limit_timeout: float = Field(
        0.25, gt=0, le=5, description="Seconds a call waits for Redis to count it."
    )

    @field_validator(*_RATES)
    @classmethod
    def _is_rate(cls, value: str) -> str:
        # By ourselves: the library takes half a second to import, and every child reads settings.
        if value and not all(_RATE.fullmatch(each) for each in value.split(";")):
            raise ValueError("write it as 120/minute, or 5/second;2000/hour")
        return value
