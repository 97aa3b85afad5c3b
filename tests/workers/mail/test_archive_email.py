"""The letter with a group's results: when, how large, what is in it, and what failed."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import pytest

from models.outbox import email as drafts
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from models.tasks.group import Member
from tests.support.smtp import (
    Mailbox,
    body,
    fail_task,
    finished_task,
    group_of,
    mail_server,
    posting,
    send_due,
    the_letter,
    unfinished_task,
    until_due,
)


async def sent(settings: Settings, store: Store, group_id: str) -> EmailMessage:
    """Send the letter of a group to a real server; return it as it came in."""
    mailbox = Mailbox()
    await store.mail.put(drafts.archive(group_id, "ann@example.org"))
    with mail_server(mailbox) as port:
        await send_due(posting(settings, port), store)
    (message,) = mailbox.messages
    return message


def attachments(message: EmailMessage) -> list[EmailMessage]:
    return [part for part in message.iter_attachments() if isinstance(part, EmailMessage)]


async def test_attached_with_the_bytes_of_all_results(settings: Settings, store: Store) -> None:
    pixels = {f"p{n}.png": bytes([n]) * 3_000_000 for n in range(2)}
    members = [
        Member(name=name, task_id=await finished_task(store, name, data))
        for name, data in pixels.items()
    ]
    group_id = await group_of(store, *members)
    message = await sent(settings, store, group_id)
    (part,) = attachments(message)
    assert part.get_content_type() == "application/zip"
    assert part.get_filename() == f"darkroom-{group_id}.zip"
    with zipfile.ZipFile(io.BytesIO(part.get_content())) as zipped:
        assert zipped.testzip() is None
        assert {n: zipped.read(n) for n in zipped.namelist()} == {
            f"made-{name}": data for name, data in pixels.items()
        }
    assert message["Subject"] == "Your pictures are ready"
    assert "2 pictures are ready, in the attached zip file." in body(message)
    assert f"{settings.url}/status/{group_id}" in body(message)
    assert "failed" not in body(message)


async def test_a_link_where_it_is_too_large(settings: Settings, store: Store) -> None:
    task_id = await finished_task(store, "cat.png", b"x" * 5000)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    small = settings.model_copy(
        update={"max_attachment_bytes": 5000, "public_url": "https://pics.example.org/"}
    )
    message = await sent(small, store, group_id)
    assert attachments(message) == []
    link = f"https://pics.example.org/status/{group_id}/archive"
    assert link in body(message) and link in body(message, "html")
    assert "too large for a letter (at most 5000 bytes)" in body(message)


@pytest.mark.parametrize("spare", [0, -1])
async def test_the_limit_is_exact(settings: Settings, store: Store, spare: int) -> None:
    from models.tasks.zip_archive import Archive

    task_id = await finished_task(store, "cat.png", b"x" * 500)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    found = await store.groups.find(group_id)
    assert found is not None
    length = Archive(*found, lambda r: store.results.read(r.file_id, 0, r.bytes)).length
    limited = settings.model_copy(update={"max_attachment_bytes": length + spare})
    assert len(attachments(await sent(limited, store, group_id))) == (1 if spare == 0 else 0)


async def test_it_says_what_failed_and_why(settings: Settings, store: Store) -> None:
    good = await finished_task(store, "good.png", b"fine")
    bad = await unfinished_task(store, "bad.png")
    await fail_task(store, bad, "the picture is <b>broken</b>")
    group_id = await group_of(
        store,
        Member(name="good.png", task_id=good),
        Member(name="bad.png", task_id=bad),
        Member(name="odd.txt", error={"code": "unsupported_format", "detail": "no picture"}),
        Member(name="gone.png", task_id="0" * 32),
    )
    message = await sent(settings, store, group_id)
    text, html = body(message), body(message, "html")
    assert "1 picture is ready" in text and "3 of 4 failed" in text
    assert "bad.png: the picture is <b>broken</b>" in text
    assert "the picture is &lt;b&gt;broken" in html
    assert "odd.txt: no picture" in text and "gone.png: it is gone" in text
    (part,) = attachments(message)
    with zipfile.ZipFile(io.BytesIO(part.get_content())) as zipped:
        assert zipped.namelist() == ["made-good.png", "errors.txt"]


async def test_no_result_at_all(settings: Settings, store: Store) -> None:
    member = Member(name="a.txt", error={"code": "unsupported_format", "detail": "no picture"})
    message = await sent(settings, store, await group_of(store, member))
    assert message["Subject"] == "Your pictures could not be made"
    assert "None of your pictures has a result." in body(message)
    assert "a.txt: no picture" in body(message)
    assert attachments(message) == []


async def test_it_waits_for_the_group_and_that_is_no_trouble(
    settings: Settings, store: Store
) -> None:
    done = await finished_task(store, "a.png", b"x")
    open_task = await unfinished_task(store, "b.png")
    group_id = await group_of(
        store, Member(name="a.png", task_id=done), Member(name="b.png", task_id=open_task)
    )
    await store.mail.put(drafts.archive(group_id, "ann@example.org"))
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = posting(settings, port)
        for _ in range(settings.mail_attempts + 2):
            await send_due(chosen, store)
            await until_due(store)
        letter = await the_letter(store)
        assert (letter.status, letter.troubles, letter.faults) == (Mailing.CREATED, 0, 0)
        assert letter.attempts > settings.mail_attempts and letter.troubled_at is None
        await fail_task(store, open_task, "broken")
        await send_due(chosen, store)
    assert len(mailbox.messages) == 1
    assert "1 of 2 failed" in body(mailbox.messages[0])


async def test_a_group_that_is_gone(settings: Settings, store: Store) -> None:
    await store.mail.put(drafts.archive("nothing", "ann@example.org"))
    await send_due(settings, store)
    letter = await the_letter(store)
    assert (letter.status, letter.error) == (Mailing.FAILED, "the group is gone")


async def test_a_result_whose_bytes_are_missing_ends_in_time(
    settings: Settings, store: Store
) -> None:
    task_id = await finished_task(store, "cat.png", b"x" * 50)
    task = await store.tasks.get(task_id)
    assert task is not None
    await store.results.delete(task.results[0].file_id)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    await store.mail.put(drafts.archive(group_id, "ann@example.org"))
    for _ in range(settings.mail_attempts + 1):
        await send_due(settings, store)
        await until_due(store)
    assert (await the_letter(store)).status is Mailing.FAILED
