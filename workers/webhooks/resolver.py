"""Names of receivers: asked once for each call, and every address judged before one is used.

Asked by dnspython, not by the machine's own resolver: that one waits in a thread, and a few names
whose servers never answer would take all the threads the pixels need.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
from aiohttp.abc import AbstractResolver, ResolveResult

from models.outbox.webhook_url import AddressPolicy
from models.settings import Settings
from models.settings.webhooks import nameservers

_MOST = 16  # addresses of one name: a name of thousands is nobody's receiver


class AddressRefused(Exception):
    """A name leads, also, to where strangers must not send us; not an OSError, to be told apart."""


class Resolver(AbstractResolver):
    """What aiohttp asks for the addresses of a name."""

    def __init__(self, settings: Settings, reach: AddressPolicy) -> None:
        self._servers = nameservers(settings.webhook_nameservers)
        self._lifetime = settings.webhook_timeout
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``, of which each may be called.

        Raises:
            AddressRefused: one may not be; then none is, for whoever chose the name chose it, too.
            OSError: there is no such name, or nobody says.
        """
        try:
            addresses = await self._addresses(host)
        except dns.exception.DNSException as error:
            raise OSError(f"{type(error).__name__}: {host}") from error
        if not 0 < len(addresses) <= _MOST:
            raise OSError(f"{host} has {len(addresses)} addresses; 1 to {_MOST} are looked at")
        for address in addresses:
            if why := self._reach.refusal(address):
                raise AddressRefused(f"{host} leads to {address}, which {why}")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=_family(address),
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def _addresses(self, host: str) -> list[str]:
        name = host.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return ["127.0.0.1"]  # RFC 6761: no DNS is asked; it takes WEBHOOK_ALLOWED
        # Made anew for each call: the machine's DNS servers may have changed.
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns_server(*server) for server in self._servers]
        answers = await resolver.resolve_name(
            host, family=socket.AF_UNSPEC, search=False, lifetime=self._lifetime
        )
        return list(dict.fromkeys(answers.addresses()))

    async def close(self) -> None:
        """Nothing is kept open."""


def dns_server(address: str, port: int) -> dns.nameserver.Nameserver:
    return dns.nameserver.Do53Nameserver(address, port)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
