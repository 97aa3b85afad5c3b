"""The client's IP address, also behind reverse proxies (PROXIES)."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp import web

CLIENT_IP = web.RequestKey("client_ip", str)
"""The request's ``client_ip``, which the request context middleware finds once."""

_IPV6_PREFIX_BITS = 64  # one household or server owns a whole /64


def client_ip(request: web.Request, proxies: int) -> str:
    """Return the client's IP address; IPv6 as its /64 network.

    ``proxies``: number of reverse proxies in front. Each appends its peer to X-Forwarded-For; the
    entries further left come from the client and are ignored.
    """
    given = request.remote or ""
    if proxies:
        line = ",".join(request.headers.getall("X-Forwarded-For", []))
        hops = [hop.strip() for hop in line.split(",") if hop.strip()]
        given = hops[-proxies] if len(hops) >= proxies else given
    return client_network(given)


def client_network(given: str) -> str:
    """Return the address that limits count: IPv6 as its /64 network; "unknown" if invalid."""
    try:
        address = ip_address(given.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _IPV6_PREFIX_BITS), strict=False))
    return str(address)
