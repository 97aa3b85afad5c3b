"""Settings: connections, request limits, hosts and CORS."""

from __future__ import annotations

import re
from ipaddress import ip_address

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_ORIGIN = re.compile(r"(https?)://([^/:@?#\s]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class HttpSettings(BaseSettings):
    """Connections, request limits, hosts and CORS."""

    header_timeout: float = Field(
        10,
        gt=0,
        description="Seconds the head of a request may take, from its first byte or the start of "
        "its connection; then the connection is closed.",
    )
    response_stall_timeout: float = Field(
        30,
        gt=0,
        description="Seconds over which a client must read a response at 1024 bytes a second; else "
        "its connection is closed.",
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

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        return ",".join(_normalize_host(name) for name in _split_list(value))

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        return ",".join(_normalize_origin(origin) for origin in _split_list(value))

    @property
    def allowed_host_names(self) -> frozenset[str]:
        """The names in ALLOWED_HOSTS."""
        return frozenset(_split_list(self.allowed_hosts))

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins in CORS_ORIGINS, as browsers write them."""
        return frozenset(_split_list(self.cors_origins))


def _split_list(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


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
