"""Settings: how the ends of tasks are told to a callback_url."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from models.settings.mail import DAY, HOUR

_KEY_BYTES = range(24, 65)  # of a secret, as the Standard Webhooks have it


class Webhooks(BaseSettings):
    """How the ends of tasks are told to a callback_url."""

    webhooks: bool = Field(True, description="Take callback_url; False: it is refused.")
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs what is sent (whsec_ and base64 of 24 to 64 bytes); several, with "
        "spaces between, all sign, so that receivers can change over. Empty: made of SECRET_KEY, "
        "as those of API keys always are.",
    )
    webhook_ports: str = Field(
        "80,443", description="Ports that a callback_url may name, with commas between them."
    )
    webhook_allowed: str = Field(
        "",
        description="Networks (10.1.0.0/16, ::1/128, ...), with commas, that may be called "
        "though private: receivers of your own. Everybody who may submit can then reach them.",
    )
    webhook_nameservers: str = Field(
        "",
        description="DNS servers for names of receivers (address or address:port, with commas); "
        "empty: those of this machine. /etc/hosts is not read.",
    )
    webhook_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that receivers are checked against, if private."
    )
    webhook_url_length: int = Field(
        2000, ge=1, le=8000, description="Characters a callback_url may have."
    )
    webhooks_per_client: int = Field(
        3600,
        ge=1,
        description="Calls with a callback_url an hour of one client; more get 429: nobody has us "
        "hammer a stranger's server. Counted apart, as many are told again of tasks begun anew.",
    )
    webhooks_per_task: int = Field(
        100,
        ge=1,
        le=1000,
        description="Names and URLs one client may have told of one task or group that has not "
        "succeeded; more get 422. All are told again when it is begun anew.",
    )
    webhook_timeout: float = Field(
        10,
        gt=0,
        description="Seconds a receiver has in all: name, connection, TLS and its status line.",
    )
    webhook_senders: int = Field(
        16, ge=1, le=1000, description="Deliveries of one worker at the same time."
    )
    webhook_per_host: int = Field(
        2, ge=1, description="Of these, how many to one host: a slow one holds up nobody else."
    )
    webhook_per_party: int = Field(
        8, ge=1, description="Of these, how many for one client, whatever hosts it names."
    )
    webhook_retry: float = Field(
        10,
        gt=0,
        description="Seconds before a delivery that failed is tried again; doubles each time, up "
        "to an hour.",
    )
    webhook_retry_after: float = Field(
        HOUR, ge=0, description="Seconds of a receiver's Retry-After that are heeded at most."
    )
    webhook_give_up: float = Field(
        DAY, gt=0, description="Seconds of such failures after which a delivery is FAILED."
    )
    webhook_attempts: int = Field(
        5, ge=1, description="Times one is tried over which its worker died or stumbled."
    )
    webhook_keep: float = Field(
        7 * DAY,
        gt=0,
        description="Seconds deliveries that ended are shown, and can be redelivered.",
    )
    webhook_log: int = Field(
        40, ge=1, le=500, description="Attempts of one delivery that are remembered, the newest."
    )

    @field_validator("webhook_secret")
    @classmethod
    def _are_secrets(cls, value: SecretStr) -> SecretStr:
        for number, each in enumerate(value.get_secret_value().split(), 1):
            if not each.startswith("whsec_") or len(_decoded(each)) not in _KEY_BYTES:
                raise ValueError(
                    f"secret {number} is not whsec_ and the base64 of 24 to 64 bytes, e.g. from "
                    "`echo whsec_$(openssl rand -base64 32)`"
                )
        return value

    @field_validator("webhook_ports")
    @classmethod
    def _are_ports(cls, value: str) -> str:
        for each in listed(value):
            if not (each.isascii() and each.isdigit() and 1 <= int(each) <= 65535):
                raise ValueError(f"{each!a} is no port; e.g. 80,443")
        if not listed(value):
            raise ValueError("no port at all; WEBHOOKS=False switches webhooks off")
        return value

    @field_validator("webhook_allowed")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for each in listed(value):
            ip_network(each)
        return value

    @field_validator("webhook_nameservers")
    @classmethod
    def _are_nameservers(cls, value: str) -> str:
        nameservers(value)
        return value


def listed(value: str) -> list[str]:
    """Return what stands between commas."""
    return [each.strip() for each in value.split(",") if each.strip()]


def nameservers(value: str) -> list[tuple[str, int]]:
    """Return (address, port) of each DNS server.

    Raises:
        ValueError: one is no address.
    """
    found = []
    for each in listed(value):
        address, port = each, "53"
        if each.startswith("["):
            address, _, port = each[1:].partition("]")
            port = port.removeprefix(":") or "53"
        elif each.count(":") == 1:
            address, _, port = each.partition(":")
        found.append((str(ip_network(address).network_address), int(port)))
    return found


def _decoded(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""
