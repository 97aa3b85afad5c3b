"""Settings: how much clients may ask for, in a time and at the same time."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from models.settings.group import MIB, Group

_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_REQUEST_RATES = (
    "rate_limit_submit",
    "rate_limit_submit_address",
    "rate_limit_read",
    "rate_limit_read_address",
    "rate_limit_auth_failures",
)
_HOURLY = ("mail_per_client", "mail_per_address", "groups_per_client", "webhooks_per_client")
RATE_FIELDS = (*_REQUEST_RATES, *_HOURLY)
"""Settings that limit calls in a time; all others limit what is held at the same time."""


class LimitSettings(Group):
    """Limits of clients, in a time and at the same time."""

    rate_limits: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the limits RATE_LIMIT_* apply; auto: unless HOST is loopback and keys "
        "are off. Write them as 120/minute or 5/second;2000/hour; empty: no limit.",
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
    mail_per_address: int = Field(
        5,
        ge=1,
        description="E-mails an hour to one mailbox that clients can cause; "
        "ann+x@ and ann@ are one.",
    )
    mail_per_client: int = Field(
        30, ge=1, description="Requests an hour of one client that may send e-mails; then 429."
    )
    groups_per_client: int = Field(
        1000, ge=1, description="Requests to POST /groups an hour of one client; then 429."
    )
    webhooks_per_client: int = Field(
        3600,
        ge=1,
        description="Requests with a callback_url an hour of one client; more get 429, so that "
        "the service cannot be used to flood a server. Webhooks of restarted tasks, and pictures "
        "fetched by image_url, count apart, with the same limit.",
    )
    max_connections: int = Field(
        4000,
        ge=1,
        description="Maximum open connections of one service, including event streams; further "
        "ones get 503. Fewer if the process may not open as many files.",
    )
    max_connections_per_client: int = Field(
        250,
        ge=1,
        description="Maximum of them from one client address; applies only while PROXIES is 0, "
        "since all clients of a proxy share its address.",
    )
    max_queue: int = Field(
        10_000, ge=1, description="Maximum tasks waiting or running; further ones get 429."
    )
    max_queue_per_client: int = Field(
        2000,
        ge=1,
        description="Maximum of them from one client address (see PROXIES); further ones get 429. "
        "Each ten seconds of a task's predicted work count as one more.",
    )
    max_queue_bytes_per_client: int = Field(
        16 * 1024 * MIB,
        ge=1,
        description="Maximum predicted bytes of the results of the waiting and running tasks of "
        "one client; further ones get 429.",
    )
    events_total: int = Field(
        2000,
        ge=1,
        description="Maximum open event streams of one service, and a tenth of the tasks that "
        "they follow; each holds a connection; then 429.",
    )
    events_per_client: int = Field(
        100,
        ge=1,
        description="Maximum open event streams of one client address (see PROXIES), and a "
        "thirtieth of the tasks that they follow; then 429.",
    )

    @field_validator(*_REQUEST_RATES)
    @classmethod
    def _check_rate(cls, value: str) -> str:
        # Not by the library: it takes long to import, and every child reads settings.
        if value and not all(_RATE.fullmatch(part) for part in value.split(";")):
            raise ValueError("write it as 120/minute, or 5/second;2000/hour")
        return value

    def rate(self, field: str) -> str:
        """Return the rate of one of RATE_FIELDS, such as "120/minute"; "" for no limit."""
        value = getattr(self, field)
        return f"{value}/hour" if field in _HOURLY else str(value)
