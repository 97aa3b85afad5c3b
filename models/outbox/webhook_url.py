"""Addresses that strangers have us call: which ones are, and which are never called.

A callback_url is judged when it comes, and again before each call, since settings change. A name is
judged by the addresses it has at the moment of the call, by ``Reach.refusal``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL  # the parser of the client that calls: both must see the same host

from models.errors import BadCallback
from models.settings import Settings
from models.settings.webhooks import listed

Address = IPv4Address | IPv6Address

_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = "[a-z0-9_][a-z0-9_-]{0,62}"
_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}", re.IGNORECASE)
_AUTHORITY = re.compile(r"^[^/?#]*//([^/?#]*)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_NEVER = "this callback_url is not called"
_LOCAL = IPv4Address("127.0.0.1")

# ``is_global`` of Python's ipaddress is left alone: its answers differ between patch releases. The
# lists are the special-purpose registries of IANA (RFC 6890) and what clouds answer secrets at.
_CLOSED_4 = [
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",  # of Azure's machines; public by its number only
    )
]
_OPEN_6 = ip_network("2000::/3")
_CLOSED_6 = [
    ip_network(each)
    for each in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]
_NAT64 = ip_network("64:ff9b::/96")


class AddressPolicy:
    """What may be called: ports, and addresses that are public or allowed by WEBHOOK_ALLOWED."""

    def __init__(self, settings: Settings) -> None:
        self.ports = [int(port) for port in listed(settings.webhook_ports)]
        self.longest = settings.webhook_url_length
        self._allowed = [ip_network(each) for each in listed(settings.webhook_allowed)]

    def refusal(self, given: str) -> str | None:
        """Return why the address is not called; None if it may be."""
        try:
            address = ip_address(given)
        except ValueError:
            return "is no address"
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return "has a zone"
        meant = _meant(address)
        if any(each in network for network in self._allowed for each in (address, meant)):
            return None
        return None if _public(meant) else "is not a public address (see WEBHOOK_ALLOWED)"


def callback(text: str, reach: AddressPolicy) -> URL:
    """Return the callback_url in ``text``.

    Raises:
        BadCallback: it is none, or one that is never called; says what would be.
    """
    if len(text) > reach.longest:
        raise BadCallback(
            f"{_NEVER}: it has {len(text)} characters; at most {reach.longest} are taken "
            "(WEBHOOK_URL_LENGTH)",
            parameter="callback_url",
            setting="WEBHOOK_URL_LENGTH",
            limit=reach.longest,
            measured=len(text),
        )
    if _ODD.search(text):
        raise _refused("it has a space, a backslash or a control character: encode them")
    try:
        url = URL(text)
        host, port = url.raw_host or "", url.port
    except (ValueError, UnicodeError):
        raise _refused("it is no URL") from None
    if url.scheme not in {"http", "https"}:
        raise _refused("it does not begin with https:// or http://")
    authority = _AUTHORITY.match(text)
    if authority is None or "@" in authority[1]:
        raise _refused("it has a name or password in it; put a secret in the path or the query")
    if url.raw_fragment or text.endswith("#"):
        raise _refused("it has a fragment (#...), which is never sent")
    if port not in reach.ports:
        raise BadCallback(
            f"{_NEVER}: its port is {port}; {', '.join(map(str, reach.ports))} are called "
            "(WEBHOOK_PORTS)",
            parameter="callback_url",
            setting="WEBHOOK_PORTS",
            measured=port,
            known=reach.ports,
        )
    address = _address(host)
    if address is not None and (why := reach.refusal(str(address))):
        shown = ascii(host[:80])[1:-1]
        raise BadCallback(
            f"{_NEVER}: its host {shown} {why}",
            parameter="callback_url",
            setting="WEBHOOK_ALLOWED",
            measured=shown,
        )
    return url


def _address(host: str) -> Address | None:
    """Return the address that a host is as it stands; None if it is a name.

    Raises:
        BadCallback: it is neither: programs differ over what it is.
    """
    try:
        return ip_address(host)  # with a zone, too, which is refused
    except ValueError:
        pass
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: never asked of a DNS
        return _LOCAL
    # 2130706433, 0177.0.0.1, 0x7f.1: addresses to some programs, names to others.
    if not _NAME.fullmatch(host) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise _refused("its host is neither a name nor a plain address (192.0.2.1, [2001:db8::1])")
    return None


def _refused(why: str) -> BadCallback:
    return BadCallback(f"{_NEVER}: {why}", parameter="callback_url")


def _meant(address: Address) -> Address:
    """Return the address of version 4 that one of version 6 stands for; else itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    return address in _OPEN_6 and not any(address in network for network in _CLOSED_6)
