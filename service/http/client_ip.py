"""Who asks, and how often they may."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp import web

from models.errors import RateLimited
from service.app_keys import SETTINGS, STORE, TOKENS
from service.auth.identity import caller

_PREFIX = 64  # bits of an IPv6 address that one household or server has to itself


def client_of(request: web.Request, proxies: int) -> str:
    """Return the client's address, an IPv6 one as its network.

    ``proxies``: of that many in front, each added whom it talked to at the end of X-Forwarded-For;
    what stands further left came from the client and is not believed.
    """
    given = request.remote or ""
    if proxies:
        line = ",".join(request.headers.getall("X-Forwarded-For", []))
        hops = [hop.strip() for hop in line.split(",") if hop.strip()]
        given = hops[-proxies] if len(hops) >= proxies else given
    return network(given)


def network(given: str) -> str:
    """Return an address as limits count it: an IPv6 one as its network; "unknown" for none."""
    try:
        address = ip_address(given.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _PREFIX), strict=False))
    return str(address)


def pseudonym(request: web.Request) -> str:
    """Return what stands for the client's address where it is kept."""
    client = client_of(request, request.app[SETTINGS].proxies)
    return request.app[TOKENS].pseudonym(client)


def party(request: web.Request) -> str:
    """Return under what a client's tasks are counted and take turns: its key, or its address."""
    owner = caller(request).owner
    return request.app[TOKENS].pseudonym(f"key:{owner}") if owner else pseudonym(request)


async def admit(
    request: web.Request, what: str = "client", setting: str = "MAIL_PER_CLIENT"
) -> None:
    """Count a call of which a client may make only so many an hour; such as may send letters.

    ``what``: the kind of call, ``setting``: how many.

    Raises:
        RateLimited: this client has made as many within the hour.
    """
    settings = request.app[SETTINGS]
    limit = int(getattr(settings, setting.lower()))
    owner = caller(request).owner
    client = f"key:{owner}" if owner else client_of(request, settings.proxies)
    wait = await request.app[STORE].quotas.hit(f"{what}:{client}", limit)
    if wait:
        raise RateLimited(
            f"more than {limit} such calls within an hour ({setting}); "
            f"the next one passes in {wait} s",
            setting=setting,
            limit=limit,
            measured=limit + 1,
            retry_after=wait,
        )


def quota_of(address: str) -> str:
    """Return the key under which letters to ``address`` are counted."""
    return f"address:{address}"


async def may_write_to(request: web.Request, address: str) -> int:
    """Count a letter to ``address``; return 0, or the seconds until one more is possible.

    It counts whether a letter follows or not: nobody may learn that from who is refused when.
    """
    limit = request.app[SETTINGS].mail_per_address
    return await request.app[STORE].quotas.hit(quota_of(address), limit)
