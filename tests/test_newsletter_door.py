"""Subscribing and unsubscribing over HTTP, as people, mail programs and attackers do it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest
from itsdangerous import TimestampSigner

from models.letter import Kind, Letter
from models.settings import Settings
from models.store import Store
from models.subscriber import Subscription
from models.tokens import Purpose, Tokens
from service.app import create_app
from service.keys import TOKENS
from tests.letters import Mailbox, letters, link_in, mail_server, posting, send_due

ANN = "ann@example.org"
DISPOSITION = "Content-Disposition: form-data; "


async def said(response: Any) -> tuple[int, str, set[tuple[str, str]]]:
    """Return all of an answer that may not differ."""
    varying = {"X-Request-ID", "Date"}
    headers = {(k, v) for k, v in response.headers.items() if k not in varying}
    return response.status, await response.text(), headers


def token_for(client: Any, purpose: Purpose, subscriber_id: str) -> str:
    tokens: Tokens = client.app[TOKENS]
    return tokens.make(purpose, subscriber_id)


async def subscribed(store: Store, address: str = ANN) -> str:
    person = await store.subscribers.ask(address, 3600)
    await store.subscribers.confirm(person.id)
    return person.id


async def status_of(store: Store, address: str = ANN) -> str:
    person = await store.subscribers.find(address)
    return person.status if person else "unknown"


async def of_kind(store: Store, kind: Kind) -> list[Letter]:
    return [letter for letter in await letters(store) if letter.kind is kind]


async def test_the_whole_way(client: Any, settings: Settings, store: Store) -> None:
    """Asked for, confirmed by the button, left by address, back by the goodbye's link."""
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = posting(settings, port)
        assert (await client.post("/subscribe", data={"email": ANN})).status == 202
        await send_due(chosen, store)
        link = link_in(mailbox.messages[-1], "/subscribe/confirm")
        page = await client.get(link)
        assert page.status == 200 and "<form method=" in await page.text()
        assert await status_of(store) == Subscription.PENDING  # a scanner's GET does nothing
        assert (await client.post(link)).status == 200
        assert await status_of(store) == Subscription.CONFIRMED
        assert (await client.post("/unsubscribe", data={"email": ANN})).status == 200
        assert await status_of(store) == Subscription.UNSUBSCRIBED
        await send_due(chosen, store)
        assert mailbox.messages[-1]["Subject"] == "You are unsubscribed"
        back = link_in(mailbox.messages[-1], "/subscribe/confirm")
        assert (await client.post(back)).status == 200
        assert await status_of(store) == Subscription.CONFIRMED
    assert len(mailbox.messages) == 2


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
    (letter,) = await letters(store)
    assert (letter.kind, letter.to) == (Kind.CONFIRM, ANN)


async def test_nobody_learns_who_is_subscribed(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    client = await aiohttp_client(
        create_app(settings.model_copy(update={"mail_per_client": 1000, "mail_per_address": 2}))
    )
    await subscribed(store, "in@example.org")
    await store.subscribers.ask("asked@example.org", 3600)
    gone = await subscribed(store, "gone@example.org")
    await store.subscribers.leave(gone, 3600)
    for _ in range(2):
        await store.quotas.hit("address:limited@example.org", 2)
    people = [f"{name}@example.org" for name in ("in", "asked", "gone", "new", "limited")]
    for path in ("/subscribe", "/unsubscribe"):
        answers = [await said(await client.post(path, data={"email": who})) for who in people]
        assert all(answer == answers[0] for answer in answers)
        assert not any(who in answers[0][1] for who in people)
    confirms = {letter.to for letter in await of_kind(store, Kind.CONFIRM)}
    assert confirms == {f"{name}@example.org" for name in ("asked", "gone", "new")}
    goodbyes = [letter.to for letter in await of_kind(store, Kind.GOODBYE)]
    assert goodbyes == ["in@example.org"]


async def test_answers_take_the_same_time(
    client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer waits for the floor, and for the work where that takes longer."""
    from service.handlers import newsletter

    done: list[str] = []

    async def floor(seconds: float) -> None:
        done.append("floor")

    async def work() -> None:
        done.append("work")

    monkeypatch.setattr("asyncio.sleep", floor)
    await newsletter._in_equal_time(work())
    assert sorted(done) == ["floor", "work"]


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
async def test_what_is_no_address_is_refused(client: Any, store: Store, evil: Any) -> None:
    for path in ("/subscribe", "/unsubscribe"):
        response = await client.post(path, json={"email": evil})
        body = await response.json()
        assert (response.status, body["code"], body["parameter"]) == (422, "bad_parameter", "email")
        if isinstance(evil, str):
            form = await client.post(path, data={"email": evil})
            assert form.status == 422
    assert await letters(store) == []


async def test_lone_surrogates_are_refused(client: Any) -> None:
    headers = {"Content-Type": "application/json"}
    for text in ('{"email": "\\ud800@example.org"}', '{"\\ud800": "ann@example.org"}'):
        response = await client.post("/subscribe", data=text, headers=headers)
        assert response.status == 422


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
        ("application/x-www-form-urlencoded", b"email=" + b"x" * 9000, 413),
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
async def test_forms_out_of_shape(client: Any, kind: str, data: bytes, status: int) -> None:
    response = await client.post("/subscribe", data=data, headers={"Content-Type": kind})
    assert (response.status, response.content_type) == (status, "application/problem+json")


async def test_the_wrong_query_is_refused(client: Any) -> None:
    response = await client.post(f"/subscribe?email={ANN}", data={"email": ANN})
    assert response.status == 422


async def test_one_letter_while_one_waits_and_few_in_an_hour(
    client: Any, settings: Settings, store: Store
) -> None:
    for _ in range(3):
        await client.post("/subscribe", data={"email": ANN})
    assert len(await letters(store)) == 1
    for _ in range(settings.mail_per_address):
        await send_due(settings, store)
        await client.post("/subscribe", data={"email": ANN})
    # MAIL_PER_ADDRESS counts what was asked, so at most that many letters came of it.
    assert len(await letters(store)) == settings.mail_per_address - 2


async def test_a_client_is_limited_and_told_when_to_come_back(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    strict = settings.model_copy(update={"mail_per_client": 3})
    client = await aiohttp_client(create_app(strict))
    statuses = [
        (await client.post("/subscribe", data={"email": f"a{n}@example.org"})).status
        for n in range(5)
    ]
    assert statuses == [202] * 3 + [429] * 2
    # The header of a stranger changes nothing where no proxy is in front.
    response = await client.post(
        "/unsubscribe", data={"email": ANN}, headers={"X-Forwarded-For": "1.2.3.4"}
    )
    body = await response.json()
    assert (response.status, body["code"], body["limit"]) == (429, "rate_limited", 3)
    assert 0 < int(response.headers["Retry-After"]) <= 3600
    assert body["retry_after"] == int(response.headers["Retry-After"])


async def test_tokens_forged_expired_or_of_another_purpose(
    client: Any, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber_id = await subscribed(store)
    good = token_for(client, Purpose.UNSUBSCRIBE, subscriber_id)
    stranger = Tokens("another secret", settings).make(Purpose.UNSUBSCRIBE, subscriber_id)
    wrong = token_for(client, Purpose.CONFIRM, subscriber_id)
    click = {"List-Unsubscribe": "One-Click"}
    forged = [
        good[:-1],
        good + "x",
        "x" + good,
        stranger,
        wrong,
        "",
        "x" * 10_000,
        "ä",
        "..",
        "\x00",
    ]
    for token in forged:
        for call in (
            client.get("/unsubscribe", params={"token": token}),
            client.post("/unsubscribe", params={"token": token}, data=click),
            client.post("/subscribe/confirm", params={"token": token if token != wrong else good}),
        ):
            response = await call
            assert response.status in {400, 422}, token
    assert await status_of(store) == Subscription.CONFIRMED
    for purpose, ttl, path in (
        (Purpose.UNSUBSCRIBE, settings.unsubscribe_ttl, "/unsubscribe"),
        (Purpose.CONFIRM, settings.confirm_ttl, "/subscribe/confirm"),
    ):
        moment = int(time.time()) - ttl - 5
        with monkeypatch.context() as patch:
            patch.setattr(TimestampSigner, "get_timestamp", lambda self, m=moment: m)
            old = token_for(client, purpose, subscriber_id)
        response = await client.post(path, params={"token": old}, data=click)
        body = await response.json()
        assert (response.status, body["limit"]) == (422, ttl)
        assert "expired" in body["detail"]
        page = await client.get(path, params={"token": old})
        assert (page.status, page.content_type) == (422, "text/html")
        assert "has expired" in await page.text()
    assert await status_of(store) == Subscription.CONFIRMED
    assert ANN not in good and subscriber_id not in await page.text()


async def test_one_click_as_mail_programs_do_it(client: Any, store: Store) -> None:
    subscriber_id = await subscribed(store)
    path = f"/unsubscribe?token={token_for(client, Purpose.UNSUBSCRIBE, subscriber_id)}"
    page = await client.get(path)
    assert await status_of(store) == Subscription.CONFIRMED
    assert 'name="List-Unsubscribe" value="One-Click"' in await page.text()
    refused = await client.post(path, data={})
    assert (refused.status, (await refused.json())["known"]) == (422, ["One-Click"])
    assert await status_of(store) == Subscription.CONFIRMED
    multipart = f'--b\r\n{DISPOSITION}name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    response = await client.post(
        path, data=multipart, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert response.status == 200
    assert "Set-Cookie" not in response.headers and not response.history
    assert await status_of(store) == Subscription.UNSUBSCRIBED
    # Asked again it is still true; a click needs no goodbye, it came from the mailbox itself.
    again = await client.post(path, data="List-Unsubscribe=One-Click", headers=URLENCODED)
    assert await said(again) == await said(response)
    assert await letters(store) == []


URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_unsubscribing_twice_says_goodbye_once(client: Any, store: Store) -> None:
    await subscribed(store)
    answers = await asyncio.gather(
        *(client.post("/unsubscribe", data={"email": ANN}) for _ in range(5))
    )
    assert {answer.status for answer in answers} == {200}
    assert len(await letters(store)) == 1


async def test_a_link_whose_subscriber_is_forgotten(client: Any) -> None:
    token = token_for(client, Purpose.CONFIRM, "0" * 32)
    response = await client.post(f"/subscribe/confirm?token={token}")
    assert response.status == 422
    assert "subscribe anew" in (await response.json())["detail"]


async def test_pages_run_nothing_and_tell_nobody(client: Any, store: Store) -> None:
    subscriber_id = await subscribed(store)
    token = token_for(client, Purpose.CONFIRM, subscriber_id)
    browser = {"Accept": "text/html,application/xhtml+xml"}
    for response in (
        await client.get(f"/subscribe/confirm?token={token}"),
        await client.post(f"/subscribe/confirm?token={token}", headers=browser),
        await client.post("/subscribe/confirm?token=x", headers=browser),
        await client.get("/unsubscribe?token=<script>alert(1)</script>"),
        await client.post("/unsubscribe?token=%22%3E<b>", headers=browser),
    ):
        text = await response.text()
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert "<script" not in text and "<b>" not in text and token not in text
        style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
        assert style is not None
        assert sha256(style.group(1)) in policy


def sha256(text: str) -> str:
    import base64
    import hashlib

    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_pages_escape() -> None:
    from service.page import page

    made = page("notice.html", title="<b>", detail='"><script>', button="<i>", one_click=False)
    assert made.text is not None
    assert "<b>" not in made.text and "<script>" not in made.text and "<i>" not in made.text


async def test_addresses_reach_no_log(
    client: Any, store: Store, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    token = token_for(client, Purpose.CONFIRM, await subscribed(store))
    await client.post(f"/subscribe/confirm?token={token}")
    await client.post("/subscribe", data={"email": "bob@example.org"})
    await client.post("/unsubscribe", data={"email": ANN})
    shown = "".join(capsys.readouterr()) + caplog.text
    assert "/subscribe" in shown
    assert ANN not in shown and "bob@" not in shown and token not in shown


def test_clients_behind_proxies() -> None:
    from aiohttp.test_utils import make_mocked_request

    from service.client import client_of

    def seen(proxies: int, *lines: str, peer: str = "9.9.9.9") -> str:
        from multidict import CIMultiDict

        headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
        request = make_mocked_request("GET", "/", headers=headers)
        return client_of(request.clone(remote=peer), proxies)

    assert seen(0, "1.1.1.1") == "9.9.9.9"
    assert seen(1, "forged, 1.1.1.1") == "1.1.1.1"
    assert seen(2, "forged", "2.2.2.2, 3.3.3.3") == "2.2.2.2"
    assert seen(2, "3.3.3.3") == "9.9.9.9"
    assert seen(1, "<evil>") == "unknown"
    assert seen(0, peer="2001:db8::1:2:3:4") == "2001:db8::/64"
    assert seen(0, peer="::ffff:1.2.3.4") == "1.2.3.4"


async def test_quotas_slide(store: Store) -> None:
    answers = await asyncio.gather(*(store.quotas.hit("k", 3) for _ in range(10)))
    assert sorted(map(bool, answers)) == [False] * 3 + [True] * 7
    assert 3590 < max(answers) <= 3600
    assert await store.quotas.hit("other", 3) == 0
    document = await store.quotas._quotas.find_one({"_id": "k"})
    assert document is not None and len(document["hits"]) == 3
    oldest = {"$subtract": ["$now", 3600 * 1000]}
    await store.quotas._quotas.update_one(
        {"_id": "k"}, [{"$set": {"hits": {"$concatArrays": [[oldest], {"$slice": ["$hits", 2]}]}}}]
    )
    assert await store.quotas.hit("k", 3) == 0
    assert await store.quotas.hit("k", 3) > 0
    assert await store.quotas.hit("k", 1) > 0  # a limit that was lowered meanwhile


def test_addresses_are_normalised() -> None:
    from models.address import address

    assert address(" Ann.Lee+x@EXAMPLE.org ") == "ann.lee+x@example.org"
    assert address("ann@bücher.example.com") == "ann@xn--bcher-kva.example.com"
    assert address("$ne@example.org") == "$ne@example.org"
    assert json.dumps(address("ann@example.org")) == '"ann@example.org"'
