"""Validation of URLs that clients name (SSRF): malformed ones and private addresses are refused.

A callback_url is checked when it arrives and again before each call, since settings change; an
image_url and each redirect when it is fetched. A host name is checked by its addresses at the
moment of the call, with ``AddressPolicy.refusal``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL  # the parser of aiohttp's client: both must see the same host

from models.errors import BadCallbackUrl, BadImageUrl, BadParameter
from models.settings.group import split_list
from models.settings.webhook import WebhookSettings

Address = IPv4Address | IPv6Address

MAX_URL_CHARACTERS = 2000  # what servers and proxies take
_FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = "[a-z0-9_][a-z0-9_-]{0,62}"
_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}", re.IGNORECASE)
_AUTHORITY = re.compile(r"^[^/?#]*//([^/?#]*)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_LOCALHOST = IPv4Address("127.0.0.1")

# ``is_global`` of Python's ipaddress is not used: it differs between patch releases. The lists are
# IANA's special-purpose registries (RFC 6890) and addresses at which clouds serve secrets.
_PRIVATE_IPV4 = [
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",  # Azure's virtual machines; its number alone looks public
    )
]
_PUBLIC_IPV6 = ip_network("2000::/3")
_PRIVATE_IPV6 = [
    ip_network(each)
    for each in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]
_NAT64 = ip_network("64:ff9b::/96")


class AddressPolicy:
    """Ports and addresses that may be called: public ones and WEBHOOK_ALLOWED_NETWORKS."""

    def __init__(self, settings: WebhookSettings) -> None:
        self.ports = [int(port) for port in split_list(settings.webhook_ports)]
        self._allowed = [ip_network(each) for each in split_list(settings.webhook_allowed_networks)]

    def refusal(self, given: str) -> str | None:
        """Return why the address must not be called; None if it may be."""
        try:
            address = ip_address(given)
        except ValueError:
            return "is not an IP address"
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return "has a zone"
        effective = _mapped_ipv4(address)
        if any(a in network for network in self._allowed for a in (address, effective)):
            return None
        if _is_public(effective):
            return None
        return "is not a public address (see WEBHOOK_ALLOWED_NETWORKS)"


@dataclass(frozen=True)
class _Field:
    """A field that holds a URL: its name, what is not done with a bad one, and the error."""

    name: str
    not_done: str
    error: type[BadParameter]

    def refuse(self, why: str, **facts: object) -> BadParameter:
        detail = f"this {self.name} is not {self.not_done}: {why}"
        return self.error(detail, parameter=self.name, **facts)


_CALLBACK = _Field("callback_url", "called", BadCallbackUrl)
_DELIVER = _Field("deliver_url", "called", BadCallbackUrl)
_IMAGE = _Field("image_url", "fetched", BadImageUrl)


def parse_callback_url(text: str, policy: AddressPolicy) -> URL:
    """Return the callback_url in ``text``.

    Raises:
        BadCallbackUrl: it is malformed or must not be called; the error says what would pass.
    """
    return _parse(text, policy, _CALLBACK)


def parse_deliver_url(text: str, policy: AddressPolicy) -> URL:
    """Return the deliver_url in ``text``, to the letter: signatures are of these letters.

    Raises:
        BadCallbackUrl: it is malformed or must not be called; the error says what would pass.
    """
    url = _parse(text, policy, _DELIVER)
    exact = URL(text, encoded=True)
    same = (exact.scheme, (exact.raw_host or "").lower(), exact.port)
    return exact if text.isascii() and same == (url.scheme, url.raw_host, url.port) else url


def parse_image_url(text: str, policy: AddressPolicy) -> URL:
    """Return the image_url in ``text``, or where it redirects to.

    Raises:
        BadImageUrl: it is malformed or must not be fetched; the error says what would pass.
    """
    return _parse(text, policy, _IMAGE)


def _parse(text: str, policy: AddressPolicy, field: _Field) -> URL:
    if len(text) > MAX_URL_CHARACTERS:
        raise field.refuse(
            f"it has {len(text)} characters; at most {MAX_URL_CHARACTERS} are allowed",
            limit=MAX_URL_CHARACTERS,
            measured=len(text),
        )
    if _FORBIDDEN_CHARACTERS.search(text):
        raise field.refuse("it has a space, a backslash or a control character: encode them")
    try:
        url = URL(text)
        host, port = url.raw_host or "", url.port
    except (ValueError, UnicodeError):
        raise field.refuse("it is not a URL") from None
    if url.scheme not in {"http", "https"}:
        raise field.refuse("it does not begin with https:// or http://")
    authority = _AUTHORITY.match(text)
    if authority is None or "@" in authority[1]:
        raise field.refuse(
            "it contains a user name or password; put a secret into the path or the query"
        )
    if url.raw_fragment or text.endswith("#"):
        raise field.refuse("it has a fragment (#...), which is never sent")
    if port not in policy.ports:
        raise field.refuse(
            f"its port is {port}; allowed are {', '.join(map(str, policy.ports))} (WEBHOOK_PORTS)",
            setting="WEBHOOK_PORTS",
            measured=port,
            known=policy.ports,
        )
    address = _ip_address(host, field)
    if address is not None and (why := policy.refusal(str(address))):
        shown = ascii(host[:80])[1:-1]
        raise field.refuse(
            f"its host {shown} {why}", setting="WEBHOOK_ALLOWED_NETWORKS", measured=shown
        )
    return url


def _ip_address(host: str, field: _Field) -> Address | None:
    """Return the host as an IP address; None if it is a name.

    Raises:
        BadParameter: it is neither, or programs disagree about it.
    """
    try:
        return ip_address(host)  # also with a zone, which is refused later
    except ValueError:
        pass
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: never resolved by DNS
        return _LOCALHOST
    # 2130706433, 0177.0.0.1, 0x7f.1: addresses to some programs, names to others.
    if not _NAME.fullmatch(host) or _NUMERIC.fullmatch(name.rpartition(".")[2]):
        raise field.refuse(
            "its host is neither a name nor a plain address (192.0.2.1, [2001:db8::1])"
        )
    return None


def _mapped_ipv4(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address maps to; else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PRIVATE_IPV4)
    return address in _PUBLIC_IPV6 and not any(address in network for network in _PRIVATE_IPV6)
