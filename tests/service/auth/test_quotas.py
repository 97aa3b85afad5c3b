"""E-mail forms and addresses, and hourly quotas per client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.outbox.email import EmailKind
from models.outbox.email_address import mailbox
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.support.smtp import all_emails

ANN = "ann@example.org"


DISPOSITION = "Content-Disposition: form-data; "


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"email": ANN}},
        {"json": {"email": ANN}},
        {"data": {"email": f" {ANN.upper()} "}},
        {
            "data": f'--b\r\n{DISPOSITION}name="email"\r\n\r\n{ANN}\r\n--b--\r\n',
            "headers": {"Content-Type": "multipart/form-data; boundary=b"},
        },
    ],
)
async def test_forms(client: Any, store: Store, form: Any) -> None:
    response = await client.post("/subscribe", **form)
    assert (response.status, (await response.json())["status"]) == (202, "accepted")
    (email,) = await all_emails(store)
    assert (email.kind, email.to) == (EmailKind.CONFIRM, ANN)


@pytest.mark.parametrize(
    "evil",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@example.org\r\nBcc: all@example.org",
        "ann@example.org\n",
        "\rann@example.org",
        "ann@example.org,bob@example.org",
        "ann@example.org bob@example.org",
        "Ann <ann@example.org>",
        '"ann"@example.org',
        "ann@[127.0.0.1]",
        "ann@localhost",
        "änn@example.org",
        "=?utf-8?q?a?=@x.org",
        "=?x?q?y?=z@example.org",
        "ann\x00@example.org",
        "ann\u202e@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b." * 200 + "org",
        "a" * 5000,
        {"$ne": 1},
        ["ann@example.org"],
        1,
        None,
    ],
)
async def test_invalid_email_address_is_refused(client: Any, store: Store, evil: Any) -> None:
    for path in ("/subscribe", "/unsubscribe"):
        response = await client.post(path, json={"email": evil})
        body = await response.json()
        assert (response.status, body["code"], body["parameter"]) == (422, "bad_parameter", "email")
        if isinstance(evil, str):
            form = await client.post(path, data={"email": evil})
            assert form.status == 422
    assert await all_emails(store) == []


async def test_lone_surrogates_are_refused(client: Any) -> None:
    headers = {"Content-Type": "application/json"}
    for text in ('{"email": "\\ud800@example.org"}', '{"\\ud800": "ann@example.org"}'):
        response = await client.post("/subscribe", data=text, headers=headers)
        assert response.status == 400


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"[" * 8000, 400),
        ("application/json", b"\xff", 400),
        ("application/json", b"{}", 400),
        ("application/x-www-form-urlencoded", b"email=%ff", 400),
        ("application/x-www-form-urlencoded", b"email=\xff", 400),
        ("application/x-www-form-urlencoded", b"a=b&" * 1000, 400),
        ("application/x-www-form-urlencoded", b"email=a@b.cc&email=c@d.ee", 400),
        ("application/x-www-form-urlencoded", b"mail=ann@example.org", 422),
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"email=" + b"x" * 300_000, 413),
        ("multipart/form-data", b"--b--", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"rubbish", 400),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\n\xff\r\n--b--\r\n", 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="email"; filename="x"\r\n\r\nx\r\n--b--',
            400,
        ),
        ("text/xml", b"<email/>", 400),
        ("", b"", 400),
    ],
)
async def test_malformed_forms(client: Any, kind: str, data: bytes, status: int) -> None:
    response = await client.post("/subscribe", data=data, headers={"Content-Type": kind})
    assert (response.status, response.content_type) == (status, "application/problem+json")


async def test_unknown_query_is_refused(client: Any) -> None:
    response = await client.post(f"/subscribe?email={ANN}", data={"email": ANN})
    assert response.status == 422


async def test_limited_client_gets_retry_after(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    strict = settings.replace(mail_per_client=3)
    client = await aiohttp_client(create_app(strict))
    statuses = [
        (await client.post("/subscribe", data={"email": f"a{n}@example.org"})).status
        for n in range(5)
    ]
    assert statuses == [202] * 3 + [429] * 2
    # Without a proxy in front, X-Forwarded-For is ignored.
    response = await client.post(
        "/unsubscribe", data={"email": ANN}, headers={"X-Forwarded-For": "1.2.3.4"}
    )
    body = await response.json()
    assert (response.status, body["code"], body["limit"]) == (429, "rate_limited", 3)
    assert 0 < int(response.headers["Retry-After"]) <= 3600
    assert body["retry_after"] == int(response.headers["Retry-After"])


def test_clients_behind_proxies() -> None:
    from aiohttp.test_utils import make_mocked_request

    from service.http.request_context import client_ip

    def seen(proxies: int, *lines: str, peer: str = "9.9.9.9") -> str:
        from multidict import CIMultiDict

        headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
        request = make_mocked_request("GET", "/", headers=headers)
        return client_ip(request.clone(remote=peer), proxies)

    assert seen(0, "1.1.1.1") == "9.9.9.9"
    assert seen(1, "forged, 1.1.1.1") == "1.1.1.1"
    assert seen(2, "forged", "2.2.2.2, 3.3.3.3") == "2.2.2.2"
    assert seen(2, "3.3.3.3") == "9.9.9.9"
    assert seen(1, "<evil>") == "unknown"
    assert seen(0, peer="2001:db8::1:2:3:4") == "2001:db8::/64"
    assert seen(0, peer="::ffff:1.2.3.4") == "1.2.3.4"


def test_addresses_are_normalised() -> None:
    from models.outbox.email_address import parse_email_address

    assert parse_email_address(" Ann.Lee+x@EXAMPLE.org ") == "ann.lee+x@example.org"
    assert parse_email_address("ann@bücher.example.com") == "ann@xn--bcher-kva.example.com"
    assert parse_email_address("$ne@example.org") == "$ne@example.org"
    assert json.dumps(parse_email_address("ann@example.org")) == '"ann@example.org"'


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("ann.lee+x+y@example.org", "ann.lee@example.org"),
        ("+x@example.org", "+x@example.org"),
        ("an.n+x@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
    ],
)
def test_mailbox_of_an_address(address: str, counted: str) -> None:
    assert mailbox(address) == counted
