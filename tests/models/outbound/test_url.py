"""Validation of callback_url: malformed URLs and private addresses are refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.errors import BadCallbackUrl
from models.outbound.url import AddressPolicy, parse_callback_url
from models.settings import Settings

POLICY = AddressPolicy(Settings().webhook)

GOOD = [
    ("https://example.org/hook", "https://example.org/hook"),
    ("http://example.org", "http://example.org"),
    ("https://example.org:443/a?b=c%20d&e=%2F", "https://example.org/a?b=c%20d&e=/"),
    ("https://Example.ORG/Hook", "https://example.org/Hook"),
    ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ("https://8.8.8.8/", "https://8.8.8.8/"),
    ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ("http://example.org:443/", "http://example.org:443/"),
]


@pytest.mark.parametrize(("text", "url"), GOOD)
def test_public_urls_are_accepted(text: str, url: str) -> None:
    assert str(parse_callback_url(text, POLICY)) == url
    assert str(parse_callback_url(url, POLICY)) == url  # it is checked again before each call


PRIVATE = (
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
    *("198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "168.63.129.16", "192.88.99.1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]"),
    *("[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]"),
    *("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:db8::1]", "[fe80::1]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[fec0::1]", "[3fff::1]", "[100::1]"),
    *("localhost", "LOCALHOST", "a.localhost", "１２７.0.0.1", "127。0。0。1"),
)


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(BadCallbackUrl, match="not a public address") as caught:
        parse_callback_url(f"https://{host}/", POLICY)
    assert caught.value.facts["setting"] == "WEBHOOK_ALLOWED_NETWORKS"


MALFORMED = [
    ("https://2130706433/", "neither a name nor a plain address"),
    ("https://0x7f000001/", "neither"),
    ("https://0x7f.1/", "neither"),
    ("https://0177.0.0.1/", "neither"),
    ("https://127.1/", "neither"),
    ("https://127.0.0.1./", "neither"),
    ("https://localhost./", "neither"),
    ("https://example.org./", "neither"),
    ("https://1.2.3.4.5/", "neither"),
    ("https://example.0x1/", "neither"),
    ("https://exa_mple..org/", "neither|not a URL"),
    ("https://exam%70le.org/", "neither|not a URL"),
    ("https://a,b/", "neither|not a URL"),
    ("https://[fe80::1%25eth0]/", "neither|zone|not a URL"),
    ("https://[::1]x/", "neither|not a URL"),
    ("https:///path", "neither|not a URL"),
    ("https://", "neither|not a URL"),
    ("example.org/hook", "does not begin"),
    ("//example.org/hook", "does not begin"),
    ("ftp://example.org/", "does not begin"),
    ("file:///etc/passwd", "does not begin"),
    ("gopher://example.org/", "does not begin"),
    ("javascript:alert(1)", "does not begin"),
    ("https://user@example.org/", "name or password"),
    ("https://user:pass@example.org/", "name or password"),
    ("https://@example.org/", "name or password"),
    ("https://example.org@127.0.0.1/", "name or password"),
    ("https://example.org/#part", "fragment"),
    ("https://example.org/#", "fragment"),
    ("https://example.org:22/", "port is 22"),
    ("https://example.org:0/", "port is 0"),
    ("https://example.org:99999/", "not a URL"),
    ("https://example.org:-1/", "not a URL"),
    ("https://exam ple.org/", "space"),
    (" https://example.org/", "space"),
    ("https://example.org/\n", "control"),
    ("https://example.org\t/", "control"),
    ("https://example.org/\x00", "control"),
    ("https://127.0.0.1\\@example.org/", "backslash"),
    ("https:\\\\example.org/", "backslash"),
    ("https://example.org/" + "a" * 2000, "has 2020 characters; at most 2000"),
    ("https://" + "a" * 64 + ".org/", "neither|not a URL"),
]


@pytest.mark.parametrize(("text", "why"), MALFORMED)
def test_ambiguous_urls_are_refused(text: str, why: str) -> None:
    with pytest.raises(BadCallbackUrl, match=why) as caught:
        parse_callback_url(text, POLICY)
    assert caught.value.facts["parameter"] == "callback_url"


@given(st.text(max_size=40) | st.builds("https://{}/".format, st.text(max_size=30)))
def test_fuzzed_urls_raise_only_bad_callback(text: str) -> None:
    try:
        url = parse_callback_url(text, POLICY)
    except BadCallbackUrl:
        return
    assert url.raw_host and url.raw_host.isascii()


@given(st.ip_addresses(v=4))
def test_private_ipv4_addresses_of_python_are_refused(address: ipaddress.IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert POLICY.refusal(str(address))
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert bool(POLICY.refusal(form)) == bool(POLICY.refusal(str(address)))


@given(st.ip_addresses(v=6))
def test_private_ipv6_addresses_of_python_are_refused(address: ipaddress.IPv6Address) -> None:
    if not POLICY.refusal(str(address)):
        meant = address.ipv4_mapped or address
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        assert nat64 or meant.is_global


def test_allowed_networks_are_accepted() -> None:
    policy = AddressPolicy(
        Settings()
        .replace(webhook_allowed_networks="10.1.0.0/16, ::1/128", webhook_ports="8443")
        .webhook
    )
    assert parse_callback_url("https://10.1.2.3:8443/", policy).port == 8443
    assert policy.refusal("::1") is None
    assert policy.refusal("::ffff:10.1.0.1") is None  # the same machine by another name
    for other in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "fe80::1%eth0", "nonsense"):
        assert policy.refusal(other)
    with pytest.raises(BadCallbackUrl, match="port is 443"):
        parse_callback_url("https://example.org/", policy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_ports", "80,http"),
        ("webhook_ports", "70000"),
        ("webhook_ports", "²"),
        ("webhook_ports", ","),
        ("webhook_allowed_networks", "10.0.0.1/8"),
        ("webhook_allowed_networks", "example.org"),
        ("webhook_nameservers", "dns.example.org"),
        ("webhook_nameservers", "127.0.0.1:port"),
        ("webhook_secret", "secret"),
        ("webhook_secret", "whsec_c2hvcnQ="),
        ("webhook_secret", "whsec_!!!!"),
    ],
)
def test_invalid_webhook_settings_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings().replace(**{name: value})
