"""Settings: the service's address, connections, hosts, CORS and waits."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, field_validator

from models.settings.group import Group, split_list

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_ORIGIN = re.compile(r"(https?)://([^/:@?#\s]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class HttpSettings(Group):
    """Address of the service, connections, hosts, CORS and waits."""

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port the service listens on.")
    public_url: str = Field(
        "",
        description="URL of the service for users, e.g. https://pictures.example.org; links in "
        "e-mails begin with it. Empty: http://localhost:PORT.",
    )
    proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Reverse proxies in front of the service, each of which appends to "
        "X-Forwarded-For, to tell clients apart; 0: the header is ignored.",
    )
    allowed_hosts: str = Field(
        "",
        description="Accepted names in the Host header, separated by commas, without ports, "
        "besides that of PUBLIC_URL and localhost; others get 421. Empty: all names, if HOST is "
        "not loopback, or if PROXIES is set and PUBLIC_URL is empty; else those two and IP "
        "addresses.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API from a browser, separated by commas, "
        "e.g. https://shop.example.org; empty: only the service's own. Never for the dashboard, "
        "and without cookies.",
    )
    hsts_seconds: int = Field(
        31_536_000,
        ge=0,
        description="Seconds for which browsers must use https only (HSTS); sent while PUBLIC_URL "
        "is https. 0: not sent.",
    )
    header_timeout: float = Field(
        10,
        gt=0,
        description="Seconds the head of a request may take, from its first byte or the start of "
        "its connection; then the connection is closed.",
    )
    keepalive_timeout: float = Field(
        15, gt=0, description="Seconds an idle or half-sent request keeps its connection."
    )
    response_stall_timeout: float = Field(
        30,
        gt=0,
        description="Seconds over which a client must read a response at 1024 bytes a second; else "
        "its connection is closed.",
    )
    shutdown_timeout: float = Field(
        10, gt=0, description="Seconds that running requests may take when the service stops."
    )
    max_wait: float = Field(
        60,
        gt=0,
        description="Maximum of ?wait= in seconds; proxies close connections that are silent for "
        "longer. An event stream, which is never silent, lasts sixty times as long.",
    )
    sync_timeout: float = Field(
        30,
        gt=0,
        description="Seconds POST /convert/ waits for a worker; then 503 and a Location.",
    )
    images_root: Path | None = Field(
        None,
        description="Folder below which POST /items/ reads and writes; empty: that route is off.",
    )
    presets_file: Path | None = Field(
        None,
        description="TOML file with presets for POST /process (docs/presets.md); empty: there are "
        "none. It is read when the service starts.",
    )
    legacy_status: bool = Field(
        False,
        description="Report PENDING instead of STARTED, for clients of the older upscaler that do "
        "not know STARTED.",
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        return ",".join(_normalize_host(name) for name in split_list(value))

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        return ",".join(_normalize_origin(origin) for origin in split_list(value))

    @property
    def allowed_host_names(self) -> frozenset[str]:
        """The names in ALLOWED_HOSTS."""
        return frozenset(split_list(self.allowed_hosts))

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins in CORS_ORIGINS, as browsers write them."""
        return frozenset(split_list(self.cors_origins))

    @property
    def base_url(self) -> str:
        """URL of the service without a trailing slash: PUBLIC_URL, or http://localhost:PORT."""
        return self.public_url.rstrip("/") or f"http://localhost:{self.port}"


def _normalize_host(given: str) -> str:
    """Return a host name or IP address (IPv6 without brackets) in the form used to compare."""
    name = given.lower().strip("[]")
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{given!r} is not a host name; write it without scheme, port or *")
    return name


def _normalize_origin(given: str) -> str:
    """Return an origin as browsers write it: lower case, without a default port."""
    found = _ORIGIN.fullmatch(given.lower())
    if found:
        scheme, host, port = found.groups()
        name = _normalize_host(host)
        shown = f"[{name}]" if ":" in name else name
        return f"{scheme}://{shown}" + (
            f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
        )
    raise ValueError(
        f"{given!r} is not an origin; write e.g. https://shop.example.org or "
        "http://localhost:3000, without a path; * and null are not allowed"
    )
