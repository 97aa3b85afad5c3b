"""Sending e-mails over SMTP: plain text, retries, failures and header injection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiosmtplib
import pytest

from models.outbox import email as drafts
from models.outbox.email import GIVE_UP_SECONDS, EmailDraft, EmailKind
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from standalone.embedded_stores import free_port
from tests.conftest import working
from tests.support.smtp import (
    Mailbox,
    all_emails,
    backdate,
    body,
    mail_server,
    make_due,
    only_email,
    send_due,
    smtp_settings,
    wait_until,
)
from workers.mail import sender
from workers.mail.message import EmailContent, compose_message

DRAFT = drafts.confirmation_draft("s1", "ann@example.org")


async def test_plain_smtp(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    await store.emails.put(DRAFT)
    queued = await only_email(store)
    with mail_server(mailbox) as port:
        assert await send_due(smtp_settings(settings, port), store) == 1
        assert await send_due(smtp_settings(settings, port), store) == 0
    (message,) = mailbox.messages
    assert mailbox.recipients == ["ann@example.org"] == [message["To"]]
    assert message["From"] == "Darkroom <darkroom@localhost>"
    assert message["Message-ID"] == queued.message_id
    assert message["Message-ID"].endswith("@localhost>")
    assert message["Date"] and message["Subject"] == "Please confirm the newsletter"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "/subscribe/confirm?token=" in body(message)
    assert "/subscribe/confirm?token=" in body(message, "html")
    sent = await only_email(store)
    assert (sent.status, sent.lease, sent.error) == (DeliveryStatus.SENT, None, None)
    assert sent.ended_at is not None


async def test_4xx_is_retried_with_the_same_message_id(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    mailbox.replies = ["451 later please", "421 I am leaving"]
    await store.emails.put(DRAFT)
    with mail_server(mailbox) as port:
        chosen = smtp_settings(settings, port)
        for _ in range(3):
            await send_due(chosen, store)
            email = await only_email(store)
            await make_due(store)
    assert len(mailbox.received) == 3 and len(mailbox.messages) == 1
    assert len({message["Message-ID"] for message in mailbox.received}) == 1
    assert (email.status, email.troubles, email.faults) == (DeliveryStatus.SENT, 2, 0)


async def test_retry_pauses_grow(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.mail.sender.EmailSender.retry_seconds", 100)
    await store.emails.put(DRAFT)
    chosen = smtp_settings(settings, free_port())
    pauses = []
    for _ in range(8):
        await send_due(chosen, store)
        email = await only_email(store)
        assert email.claimed_at is not None
        pauses.append((email.due_at - email.claimed_at).total_seconds())
        await make_due(store)
    assert 80 <= pauses[0] < 160 <= pauses[1] + 10
    assert pauses[2] > pauses[1] > pauses[0]
    assert max(pauses) < 3600 * 1.3 and min(pauses[-2:]) >= 3600 * 0.8


async def test_5xx_fails_at_once_and_blocks_no_other(
    settings: Settings,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mailbox = Mailbox()
    mailbox.refused = {"gone@example.org": "550 no gone@example.org here"}
    await store.emails.put(drafts.confirmation_draft("s1", "gone@example.org"))
    await store.emails.put(drafts.confirmation_draft("s2", "ann@example.org"))
    with mail_server(mailbox) as port:
        assert await send_due(smtp_settings(settings, port), store) == 2
    first, second = await all_emails(store)
    assert (first.status, first.attempts) == (DeliveryStatus.FAILED, 1)
    assert first.error == "the mail server answered 550: no <the address> here"
    assert second.status is DeliveryStatus.SENT
    text = caplog.text + capsys.readouterr().out
    assert "email_failed" in text and "gone@example.org" not in text


async def test_given_up_after_three_days(settings: Settings, store: Store) -> None:
    await store.emails.put(DRAFT)
    chosen = smtp_settings(settings, free_port())
    await send_due(chosen, store)
    assert (await only_email(store)).status is DeliveryStatus.CREATED
    await backdate(store, GIVE_UP_SECONDS + 1, "troubled_at")
    await make_due(store)
    await send_due(chosen, store)
    email = await only_email(store)
    assert email.status is DeliveryStatus.FAILED
    assert email.error is not None and "given up after 259200 s" in email.error


async def test_server_outage_with_a_real_worker(settings: Settings, store: Store) -> None:
    port, mailbox = free_port(), Mailbox()
    await store.emails.put(DRAFT)

    async def waiting() -> bool:
        return (await only_email(store)).troubles > 1

    async def sent() -> bool:
        return (await only_email(store)).status is DeliveryStatus.SENT

    async with working(smtp_settings(settings, port)):
        await wait_until(waiting)
        with mail_server(mailbox, port=port):
            await wait_until(sent)
    assert len(mailbox.messages) == 1


async def test_email_that_raises_blocks_no_other_and_fails(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(context: Any, email: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(sender.CONTENT_BUILDERS, EmailKind.GOODBYE, broken)
    mailbox = Mailbox()
    await store.emails.put(drafts.goodbye_draft("s1", "ann@example.org", None))
    await store.emails.put(DRAFT)
    with mail_server(mailbox) as port:
        chosen = smtp_settings(settings, port)

        async def given_up() -> bool:
            await send_due(chosen, store)
            return (await all_emails(store))[0].status is DeliveryStatus.FAILED

        await wait_until(given_up)
    bad, good = await all_emails(store)
    assert good.status is DeliveryStatus.SENT
    assert bad.faults == 5
    assert bad.error is not None and "crashed 5 times" in bad.error


async def test_many_workers_send_each_email_once(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    await store.emails.put_all(
        [drafts.confirmation_draft(f"s{n}", f"a{n}@example.org") for n in range(60)]
    )
    with mail_server(mailbox) as port:
        chosen = smtp_settings(settings, port)
        senders = [asyncio.create_task(sender.send_emails(chosen, store)) for _ in range(4)]

        async def done() -> bool:
            return all(email.status is DeliveryStatus.SENT for email in await all_emails(store))

        await wait_until(done)
        for task in senders:
            task.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
    assert sorted(mailbox.recipients) == sorted(f"a{n}@example.org" for n in range(60))
    assert len({message["Message-ID"] for message in mailbox.messages}) == 60


async def test_sender_ends_though_the_farewell_to_the_server_loses_a_cancellation(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Python 3.11 asyncio.wait_for, which aiosmtplib uses, may lose one."""
    leaving = asyncio.Event()

    async def quit_(self: aiosmtplib.SMTP) -> None:
        leaving.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr(aiosmtplib.SMTP, "quit", quit_)
    await store.emails.put(DRAFT)
    with mail_server(Mailbox()) as port:
        task = asyncio.create_task(sender.send_emails(smtp_settings(settings, port), store))
        await leaving.wait()
        task.cancel()
        _, hanging = await asyncio.wait({task}, timeout=10)
        assert not hanging


@pytest.mark.parametrize("bad", ["x\r\nBcc: all@example.org", "x\nBcc: a", "x\rBcc: a"])
async def test_header_injection_is_refused(store: Store, bad: str) -> None:
    await store.emails.put(DRAFT)
    email = await only_email(store)
    cases = [
        (email, EmailContent(bad, "t", "h")),
        (email, EmailContent("s", "t", "h", {"List-Unsubscribe": bad})),
        (email.model_copy(update={"to": f"ann@example.org{bad[1:]}"}), EmailContent("s", "t", "h")),
    ]
    for each, made in cases:
        with pytest.raises(ValueError, match=r"(?i)newline|carriage|CR|invalid|domain"):
            compose_message(each, made, "Darkroom <d@localhost>").as_bytes()


async def test_template_values_are_single_lines() -> None:
    from workers.mail.message import render, single_line

    assert single_line("a\r\nb\u2028c\u202ed") == "a b c d"
    text, html = render(
        "archive",
        url="http://x",
        results=0,
        total=1,
        failed=[{"name": "<b>\nevil", "detail": "<script>"}],
        shown=9,
        link="",
        size="",
        limit="",
        status="http://x/status/g",
    )
    assert "  <b> evil: <script>\n" in text
    assert "&lt;b&gt; evil" in html and "<script" not in html


def test_every_kind_has_a_builder_and_a_unique_key() -> None:
    assert set(sender.CONTENT_BUILDERS) == set(EmailKind)
    made: list[EmailDraft] = [
        drafts.confirmation_draft("i", "a@b.cc"),
        drafts.goodbye_draft("i", "a@b.cc", None),
        drafts.newsletter_draft("2026-W01", "i", "a@b.cc"),
        drafts.archive_draft("i", "a@b.cc"),
        drafts.archive_draft("i", "d@b.cc"),
    ]
    assert len({draft.key for draft in made}) == len(made)
    assert not any("@" in draft.key for draft in made)
