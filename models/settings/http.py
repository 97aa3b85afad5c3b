"""Settings: how it meets the network."""

from __future__ import annotations

import re
from ipaddress import ip_address

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_ORIGIN = re.compile(r"(https?)://([^/:@?#\s]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?")
_USUAL = {"http": "80", "https": "443"}


class Http(BaseSettings):
    """How it meets the network."""

    max_connections: int = Field(
        4000,
        ge=1,
        description="Most connections open to one service, event streams included; the next ones "
        "are told 503. Fewer where the process may not open as many files.",
    )
    max_connections_per_client: int = Field(
        250,
        ge=1,
        description="Most of them from one address, which no proxy may share: it counts only while "
        "PROXIES is 0.",
    )
    header_timeout: float = Field(
        10,
        gt=0,
        description="Seconds the head of a request may take, from its first byte or the start of "
        "its connection, which is closed then.",
    )
    max_line_bytes: int = Field(
        8190, ge=256, description="Longest path with its query; longer ones get 431."
    )
    max_header_bytes: int = Field(
        8190, ge=256, description="Longest header of a request, its name included; else 431."
    )
    max_headers: int = Field(100, ge=16, description="Most headers of a request; else 431.")
    max_head_bytes: int = Field(
        32_768,
        ge=1024,
        description="Most bytes of a head that arrives in pieces: what waits for its end is kept "
        "in memory; else 431.",
    )
    linger_timeout: float = Field(
        2,
        gt=0,
        description="Seconds the rest of a body is read and dropped after its request was "
        "answered, so that the client reads the answer; then the connection is closed.",
    )
    answer_stall: float = Field(
        30,
        gt=0,
        description="Seconds in which a client must take in what ANSWER_MIN_RATE asks of it, while "
        "an answer waits for it; else its connection is cut.",
    )
    answer_min_rate: int = Field(
        1024, ge=1, description="Bytes a second of an answer that a client must take in."
    )
    allowed_hosts: str = Field(
        "",
        description="Names in the Host header that are ours, with commas, without ports, beside "
        "that of PUBLIC_URL and localhost; others get 421. Empty: any where HOST is not loopback, "
        "or a proxy is in front and PUBLIC_URL is empty; else only those two and addresses.",
    )
    cors_origins: str = Field(
        "",
        description="Sites whose pages may call the API from a browser, with commas, e.g. "
        "https://shop.example.org; empty: none but our own. Not the dashboard, and no cookies.",
    )
    hsts_seconds: int = Field(
        31_536_000,
        ge=0,
        description="Seconds for which browsers shall come by https only; told while PUBLIC_URL is "
        "https. 0: not told.",
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, value: str) -> str:
        return ",".join(_host(each) for each in _listed(value))

    @field_validator("cors_origins")
    @classmethod
    def _sites(cls, value: str) -> str:
        return ",".join(_origin(each) for each in _listed(value))

    @property
    def hosts(self) -> frozenset[str]:
        """The names of ALLOWED_HOSTS."""
        return frozenset(_listed(self.allowed_hosts))

    @property
    def origins(self) -> frozenset[str]:
        """The sites of CORS_ORIGINS, as browsers write them."""
        return frozenset(_listed(self.cors_origins))


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]


def _host(given: str) -> str:
    """Return a name or an address (IPv6 without brackets) as it is compared."""
    name = given.lower().strip("[]")
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{given!r} is no host name; write it without scheme, port or *")
    return name


def _origin(given: str) -> str:
    """Return an origin as browsers write it: lower case, and no port where it is the usual one."""
    found = _ORIGIN.fullmatch(given.lower())
    if found:
        scheme, host, port = found.groups()
        name = _host(host)
        shown = f"[{name}]" if ":" in name else name
        return f"{scheme}://{shown}" + (f":{port}" if port and port != _USUAL[scheme] else "")
    raise ValueError(
        f"{given!r} is no origin; name each, e.g. https://shop.example.org or "
        "http://localhost:3000: no path, and neither * nor null"
    )
