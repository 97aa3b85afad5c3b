"""/subscribe and /unsubscribe, as used by people, mail programs and attackers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.auth.tokens import Purpose
from models.outbox import email as drafts
from models.outbox.email import Email, EmailKind, Subscription
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import TOKENS
from service.auth.rate_limit import RATE_LIMITER
from tests.support.smtp import (
    Mailbox,
    all_emails,
    backdate,
    link_in,
    mail_server,
    make_due,
    only_email,
    send_due,
    smtp_settings,
)
from tests.support.subscribers import ANN, status_of, subscribed, token_for

DISPOSITION = "Content-Disposition: form-data; "


async def comparable(response: Any) -> tuple[int, str, set[tuple[str, str]]]:
    """Return the parts of a response that must not depend on the address."""
    varying = {"X-Request-ID", "Date", "RateLimit"}  # the last one: calls of this client
    headers = {(k, v) for k, v in response.headers.items() if k not in varying}
    return response.status, await response.text(), headers


async def of_kind(store: Store, kind: EmailKind) -> list[Email]:
    return [email for email in await all_emails(store) if email.kind is kind]


async def test_subscription_cycle(client: Any, settings: Settings, store: Store) -> None:
    """Subscribe, confirm, unsubscribe by address, subscribe again by the goodbye's link."""
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = smtp_settings(settings, port)
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


async def test_responses_do_not_reveal_subscribers(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    client = await aiohttp_client(
        create_app(settings.replace(mail_per_client=1000, mail_per_address=2))
    )
    await subscribed(store, "in@example.org")
    await store.subscribers.get_or_create("asked@example.org", 3600)
    gone = await subscribed(store, "gone@example.org")
    await store.subscribers.unsubscribe(gone, 3600)
    for _ in range(2):
        limited = client.app[TOKENS].pseudonym("address:limited@example.org")
        await client.app[RATE_LIMITER].hit("MAIL_PER_ADDRESS", limited)
    people = [f"{name}@example.org" for name in ("in", "asked", "gone", "new", "limited")]
    for path in ("/subscribe", "/unsubscribe"):
        responses = [
            await comparable(await client.post(path, data={"email": who})) for who in people
        ]
        assert all(response == responses[0] for response in responses)
        assert not any(who in responses[0][1] for who in people)
    confirms = {email.to for email in await of_kind(store, EmailKind.CONFIRM)}
    assert confirms == {f"{name}@example.org" for name in ("asked", "gone", "new")}
    goodbyes = [email.to for email in await of_kind(store, EmailKind.GOODBYE)]
    assert goodbyes == ["in@example.org"]


async def test_responses_take_constant_time(
    client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response waits for the minimum time, or for the work if that takes longer."""
    from service.handlers import newsletter

    done: list[str] = []

    async def minimum(seconds: float) -> None:
        done.append("minimum")

    async def work() -> None:
        done.append("work")

    monkeypatch.setattr("asyncio.sleep", minimum)
    await newsletter._in_constant_time(work())
    assert sorted(done) == ["minimum", "work"]


async def test_one_pending_email_and_mail_per_address(
    client: Any, settings: Settings, store: Store
) -> None:
    for _ in range(3):
        await client.post("/subscribe", data={"email": ANN})
    assert len(await all_emails(store)) == 1
    for _ in range(settings.limits.mail_per_address):
        await send_due(settings, store)
        await client.post("/subscribe", data={"email": ANN})
    # MAIL_PER_ADDRESS counts requests, so there are at most that many e-mails.
    assert len(await all_emails(store)) == settings.limits.mail_per_address - 2


async def test_one_click_unsubscribe(client: Any, store: Store) -> None:
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
    # A second click responds the same. One-click sends no goodbye: it came from the mailbox.
    again = await client.post(path, data="List-Unsubscribe=One-Click", headers=URLENCODED)
    assert await comparable(again) == await comparable(response)
    assert await all_emails(store) == []


URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_goodbye_is_dropped_while_still_subscribed(settings: Settings, store: Store) -> None:
    """The service died after it queued the e-mail and before it unsubscribed the address."""
    subscriber_id = await subscribed(store)
    reader = await store.subscribers.get(subscriber_id)
    assert reader is not None
    await store.emails.put(drafts.goodbye_draft(subscriber_id, ANN, reader.confirmed_at))
    await send_due(settings, store)
    assert (await only_email(store)).status is DeliveryStatus.CREATED
    await backdate(store, 61, "created_at")
    await make_due(store)
    await send_due(settings, store)
    assert (await only_email(store)).error == "still subscribed, or subscribed again"


async def test_concurrent_unsubscribes_send_one_goodbye(client: Any, store: Store) -> None:
    await subscribed(store)
    responses = await asyncio.gather(
        *(client.post("/unsubscribe", data={"email": ANN}) for _ in range(5))
    )
    assert {response.status for response in responses} == {200}
    assert len(await all_emails(store)) == 1


async def test_addresses_are_not_logged(
    client: Any, store: Store, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    token = token_for(client, Purpose.CONFIRM, await subscribed(store))
    await client.post(f"/subscribe/confirm?token={token}")
    await client.post("/subscribe", data={"email": "bob@example.org"})
    await client.post("/unsubscribe", data={"email": ANN})
    shown = "".join(capsys.readouterr()) + caplog.text
    assert "/subscribe" in shown
    assert ANN not in shown and "bob@" not in shown and token not in shown
