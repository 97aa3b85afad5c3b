"""Settings: webhooks, and pictures fetched by URL."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from models.settings.group import Group, split_list

_KEY_BYTES = range(24, 65)  # of a secret, by Standard Webhooks


class WebhookSettings(Group):
    """Calls of URLs: webhooks to a callback_url, and pictures fetched by image_url."""

    webhooks: bool = Field(True, description="Accept callback_url; False: it is refused.")
    fetch_urls: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Fetch pictures that a submission names by image_url, from the ports and "
        "networks, and with the name servers, CA file and timeout of webhooks; auto: only while "
        "HOST is loopback and keys are off.",
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret that signs webhooks (whsec_ and base64 of 24 to 64 bytes); several, "
        "separated by spaces, all sign, so that receivers can rotate them. Empty: derived from "
        "SECRET_KEY, as the secrets of API keys always are.",
    )
    webhook_ports: str = Field(
        "80,443",
        description="Ports that these URLs may have, separated by commas.",
    )
    webhook_allowed_networks: str = Field(
        "",
        description="Private networks (10.1.0.0/16, ::1/128, ...) that may be called, separated "
        "by commas, for your own receivers and pictures. All clients that may submit can then "
        "reach them.",
    )
    webhook_nameservers: str = Field(
        "",
        description="DNS servers for the host names of these URLs (address or address:port, "
        "separated by commas); empty: those of this machine. /etc/hosts is not read.",
    )
    webhook_ca_file: Path | None = Field(
        None, description="File with CA certificates (PEM) for servers with a private CA."
    )
    webhook_timeout: float = Field(
        10,
        gt=0,
        description="Seconds for a whole call: DNS, connection, TLS and the head of the response.",
    )
    webhook_concurrency: int = Field(
        16,
        ge=1,
        le=1000,
        description="Concurrent webhook deliveries of one worker; at most half of them for one "
        "client, and an eighth to one host, so that slow receivers do not delay others.",
    )

    @field_validator("webhook_secret")
    @classmethod
    def _check_secrets(cls, value: SecretStr) -> SecretStr:
        for number, secret in enumerate(value.get_secret_value().split(), 1):
            if not secret.startswith("whsec_") or len(_decode_secret(secret)) not in _KEY_BYTES:
                raise ValueError(
                    f"secret {number} is not whsec_ and the base64 of 24 to 64 bytes, e.g. from "
                    "`echo whsec_$(openssl rand -base64 32)`"
                )
        return value

    @field_validator("webhook_ports")
    @classmethod
    def _check_ports(cls, value: str) -> str:
        for port in split_list(value):
            if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
                raise ValueError(f"{port!a} is not a port; e.g. 80,443")
        if not split_list(value):
            raise ValueError("at least one port is needed; WEBHOOKS=False switches webhooks off")
        return value

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        for network in split_list(value):
            ip_network(network)
        return value

    @field_validator("webhook_nameservers")
    @classmethod
    def _check_nameservers(cls, value: str) -> str:
        parse_nameservers(value)
        return value


def parse_nameservers(value: str) -> list[tuple[str, int]]:
    """Return (address, port) of each DNS server.

    Raises:
        ValueError: an address is malformed.
    """
    servers = []
    for server in split_list(value):
        address, port = server, "53"
        if server.startswith("["):
            address, _, port = server[1:].partition("]")
            port = port.removeprefix(":") or "53"
        elif server.count(":") == 1:
            address, _, port = server.partition(":")
        servers.append((str(ip_network(address).network_address), int(port)))
    return servers


def _decode_secret(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""
