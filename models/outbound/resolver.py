"""DNS resolver for URLs of clients: one query per call, every address checked (SSRF).

It uses dnspython, not the system resolver: that one blocks a thread, and a few names whose servers
never answer would take all the threads that image work needs.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from models.outbound.url import AddressPolicy
from models.settings.webhook import WebhookSettings, parse_nameservers

_MAX_ADDRESSES = 16  # of one name: a real receiver does not have thousands


class AddressRefused(Exception):
    """A name resolves to an address that must not be called; no OSError, to tell them apart."""


class Resolver(AbstractResolver):
    """aiohttp resolver that returns only addresses the policy allows."""

    def __init__(self, settings: WebhookSettings, policy: AddressPolicy) -> None:
        self._servers = parse_nameservers(settings.webhook_nameservers)
        self._lifetime = settings.webhook_timeout
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; each may be called.

        Raises:
            AddressRefused: at least one may not be called; then none is, since one attacker may
                have chosen them all.
            OSError: the name does not exist, or no DNS server answers.
        """
        addresses = await self._addresses(host)
        if not 0 < len(addresses) <= _MAX_ADDRESSES:
            raise OSError(
                f"{host} has {len(addresses)} addresses; 1 to {_MAX_ADDRESSES} are accepted"
            )
        for address in addresses:
            if reason := self._policy.refusal(address):
                raise AddressRefused(f"{host} resolves to {address}, which {reason}")
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
            return ["127.0.0.1"]  # RFC 6761: no DNS query; needs WEBHOOK_ALLOWED_NETWORKS
        # Here, since it takes 25 ms to import, and a service may never need it.
        import dns.asyncresolver
        import dns.exception

        # New for each call: the machine's DNS servers may have changed.
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            do53 = dns.nameserver.Do53Nameserver
            resolver.nameservers = [do53(*server) for server in self._servers]
        try:
            answers = await resolver.resolve_name(
                host, family=socket.AF_UNSPEC, search=False, lifetime=self._lifetime
            )
        except dns.exception.DNSException as error:
            raise OSError(f"{type(error).__name__}: {host}") from error
        return list(dict.fromkeys(answers.addresses()))

    async def close(self) -> None:
        """Do nothing: no connection stays open."""


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
