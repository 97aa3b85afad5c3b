"""Letters that leave: encrypted or not, with a login or without, tried again or given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.outbox import email as drafts
from models.outbox.email import Draft, Kind
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from standalone.embedded_stores import free_port
from tests.conftest import working
from tests.support.smtp import (
    Mailbox,
    age,
    body,
    letters,
    mail_server,
    posting,
    send_due,
    the_letter,
    until,
    until_due,
)
from workers.mail import contents, sender
from workers.mail.context import Content
from workers.mail.mime import compose

DRAFT = drafts.confirm("s1", "ann@example.org")


async def test_in_the_clear(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    await store.mail.put(DRAFT)
    queued = await the_letter(store)
    with mail_server(mailbox) as port:
        assert await send_due(posting(settings, port), store) == 1
        assert await send_due(posting(settings, port), store) == 0
    (message,) = mailbox.messages
    assert mailbox.receivers == ["ann@example.org"] == [message["To"]]
    assert message["From"] == "Darkroom <darkroom@localhost>"
    assert message["Message-ID"] == queued.message_id
    assert message["Message-ID"].endswith("@localhost>")
    assert message["Date"] and message["Subject"] == "Please confirm the newsletter"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "/subscribe/confirm?token=" in body(message)
    assert "/subscribe/confirm?token=" in body(message, "html")
    sent = await the_letter(store)
    assert (sent.status, sent.lease, sent.error) == (Mailing.SENT, None, None)
    assert sent.ended_at is not None


async def test_4xx_is_tried_again_as_the_same_letter(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    mailbox.says = ["451 later please", "421 I am leaving"]
    await store.mail.put(DRAFT)
    with mail_server(mailbox) as port:
        chosen = posting(settings, port)
        for _ in range(3):
            await send_due(chosen, store)
            letter = await the_letter(store)
            await until_due(store)
    assert len(mailbox.seen) == 3 and len(mailbox.messages) == 1
    assert len({message["Message-ID"] for message in mailbox.seen}) == 1
    assert (letter.status, letter.troubles, letter.faults) == (Mailing.SENT, 2, 0)


async def test_pauses_grow(settings: Settings, store: Store) -> None:
    await store.mail.put(DRAFT)
    chosen = posting(settings, free_port(), mail_retry=100)
    pauses = []
    for _ in range(8):
        await send_due(chosen, store)
        letter = await the_letter(store)
        assert letter.claimed_at is not None
        pauses.append((letter.due_at - letter.claimed_at).total_seconds())
        await until_due(store)
    assert 80 <= pauses[0] < 160 <= pauses[1] + 10
    assert pauses[2] > pauses[1] > pauses[0]
    assert max(pauses) < 3600 * 1.3 and min(pauses[-2:]) >= 3600 * 0.8


async def test_5xx_fails_at_once_and_stops_nobody(
    settings: Settings,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mailbox = Mailbox()
    mailbox.refused = {"gone@example.org": "550 no gone@example.org here"}
    await store.mail.put(drafts.confirm("s1", "gone@example.org"))
    await store.mail.put(drafts.confirm("s2", "ann@example.org"))
    with mail_server(mailbox) as port:
        assert await send_due(posting(settings, port), store) == 2
    first, second = await letters(store)
    assert (first.status, first.attempts) == (Mailing.FAILED, 1)
    assert first.error == "the mail server answered 550: no <the address> here"
    assert second.status is Mailing.SENT
    said = caplog.text + capsys.readouterr().out
    assert "letter_failed" in said and "gone@example.org" not in said


async def test_given_up_after_mail_give_up(settings: Settings, store: Store) -> None:
    await store.mail.put(DRAFT)
    chosen = posting(settings, free_port(), mail_retry=60, mail_give_up=1000)
    await send_due(chosen, store)
    assert (await the_letter(store)).status is Mailing.CREATED
    await age(store, 1001, "troubled_at")
    await until_due(store)
    await send_due(chosen, store)
    letter = await the_letter(store)
    assert letter.status is Mailing.FAILED
    assert letter.error is not None and "MAIL_GIVE_UP" in letter.error


async def test_away_then_back_through_a_real_worker(settings: Settings, store: Store) -> None:
    port, mailbox = free_port(), Mailbox()
    await store.mail.put(DRAFT)

    async def waiting() -> bool:
        return (await the_letter(store)).troubles > 1

    async def sent() -> bool:
        return (await the_letter(store)).status is Mailing.SENT

    async with working(posting(settings, port)):
        await until(waiting)
        with mail_server(mailbox, port=port):
            await until(sent)
    assert len(mailbox.messages) == 1


async def test_a_letter_we_stumble_over_stops_nobody_and_ends(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(desk: Any, letter: Any) -> Any:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setitem(contents.AUTHORS, Kind.GOODBYE, broken)
    mailbox = Mailbox()
    await store.mail.put(drafts.goodbye("s1", "ann@example.org", None))
    await store.mail.put(DRAFT)
    with mail_server(mailbox) as port:
        chosen = posting(settings, port, mail_attempts=3, mail_retry=0.001)

        async def over() -> bool:
            await send_due(chosen, store)
            return (await letters(store))[0].status is Mailing.FAILED

        await until(over)
    bad, good = await letters(store)
    assert good.status is Mailing.SENT
    assert bad.faults == 3
    assert bad.error is not None and "MAIL_ATTEMPTS" in bad.error


async def test_many_workers_send_each_letter_once(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    await store.mail.put_all([drafts.confirm(f"s{n}", f"a{n}@example.org") for n in range(60)])
    with mail_server(mailbox) as port:
        chosen = posting(settings, port)
        senders = [asyncio.create_task(sender.send(chosen, store)) for _ in range(4)]

        async def done() -> bool:
            return all(letter.status is Mailing.SENT for letter in await letters(store))

        await until(done)
        for task in senders:
            task.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
    assert sorted(mailbox.receivers) == sorted(f"a{n}@example.org" for n in range(60))
    assert len({message["Message-ID"] for message in mailbox.messages}) == 60


@pytest.mark.parametrize("bad", ["x\r\nBcc: all@example.org", "x\nBcc: a", "x\rBcc: a"])
async def test_no_header_is_smuggled_in(store: Store, bad: str) -> None:
    await store.mail.put(DRAFT)
    letter = await the_letter(store)
    cases = [
        (letter, Content(bad, "t", "h")),
        (letter, Content("s", "t", "h", {"List-Unsubscribe": bad})),
        (letter.model_copy(update={"to": f"ann@example.org{bad[1:]}"}), Content("s", "t", "h")),
    ]
    for each, made in cases:
        with pytest.raises(ValueError, match=r"(?i)newline|carriage|CR|invalid|domain"):
            compose(each, made, "Darkroom <d@localhost>").as_bytes()


async def test_template_text_is_one_line_per_value() -> None:
    from workers.mail.templates import line, render

    assert line("a\r\nb\u2028c\u202ed") == "a b c d"
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


def test_every_kind_has_an_author_and_a_key_of_its_own() -> None:
    assert set(contents.AUTHORS) == set(Kind)
    made: list[Draft] = [
        drafts.confirm("i", "a@b.cc"),
        drafts.goodbye("i", "a@b.cc", None),
        drafts.newsletter("2026-W01", "i", "a@b.cc"),
        drafts.archive("i", "a@b.cc"),
        drafts.archive("i", "d@b.cc"),
    ]
    assert len({draft.key for draft in made}) == len(made)
    assert not any("@" in draft.key for draft in made)
