"""The e-mail with a group's results: when it is sent, size limit, content and failures."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import pytest

from models.outbox import email as drafts
from models.outbox.item import DeliveryStatus
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
    make_due,
    only_email,
    send_due,
    smtp_settings,
    unfinished_task,
)
from workers import outbox


async def send_archive(settings: Settings, store: Store, group_id: str) -> EmailMessage:
    """Send a group's e-mail to a real server; return it as received."""
    mailbox = Mailbox()
    await store.emails.put(drafts.archive_draft(group_id, "ann@example.org"))
    with mail_server(mailbox) as port:
        await send_due(smtp_settings(settings, port), store)
    (message,) = mailbox.messages
    return message


def attachments(message: EmailMessage) -> list[EmailMessage]:
    return [part for part in message.iter_attachments() if isinstance(part, EmailMessage)]


async def test_archive_is_attached_with_all_results(settings: Settings, store: Store) -> None:
    pixels = {f"p{n}.png": bytes([n]) * 3_000_000 for n in range(2)}
    members = [
        Member(name=name, task_id=await finished_task(store, name, data))
        for name, data in pixels.items()
    ]
    group_id = await group_of(store, *members)
    message = await send_archive(settings, store, group_id)
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
    assert f"{settings.http.base_url}/status/{group_id}" in body(message)
    assert "failed" not in body(message)


async def test_link_replaces_a_too_large_archive(settings: Settings, store: Store) -> None:
    task_id = await finished_task(store, "cat.png", b"x" * 5000)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    small = settings.replace(max_attachment_bytes=5000, public_url="https://pics.example.org/")
    message = await send_archive(small, store, group_id)
    assert attachments(message) == []
    link = f"https://pics.example.org/status/{group_id}/archive"
    assert link in body(message) and link in body(message, "html")
    assert "too large for an e-mail (at most 5000 bytes)" in body(message)


@pytest.mark.parametrize("spare", [0, -1])
async def test_attachment_limit_is_exact(settings: Settings, store: Store, spare: int) -> None:
    from models.tasks.zip_archive import GroupArchive

    task_id = await finished_task(store, "cat.png", b"x" * 500)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    found = await store.groups.find(group_id)
    assert found is not None
    length = GroupArchive(*found, lambda r: store.results.read(r.file_id, 0, r.bytes)).length
    limited = settings.replace(max_attachment_bytes=length + spare)
    assert len(attachments(await send_archive(limited, store, group_id))) == (
        1 if spare == 0 else 0
    )


async def test_failures_are_listed_with_reasons(settings: Settings, store: Store) -> None:
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
    message = await send_archive(settings, store, group_id)
    text, html = body(message), body(message, "html")
    assert "1 picture is ready" in text and "3 of 4 failed" in text
    assert "bad.png: the picture is <b>broken</b>" in text
    assert "the picture is &lt;b&gt;broken" in html
    assert "odd.txt: no picture" in text and "gone.png: its task is no longer stored" in text
    (part,) = attachments(message)
    with zipfile.ZipFile(io.BytesIO(part.get_content())) as zipped:
        assert zipped.namelist() == ["made-good.png", "errors.txt"]


async def test_group_without_results(settings: Settings, store: Store) -> None:
    member = Member(name="a.txt", error={"code": "unsupported_format", "detail": "no picture"})
    message = await send_archive(settings, store, await group_of(store, member))
    assert message["Subject"] == "Your pictures could not be processed"
    assert "None of your pictures has a result." in body(message)
    assert "a.txt: no picture" in body(message)
    assert attachments(message) == []


async def test_waiting_for_the_group_is_not_a_failure(settings: Settings, store: Store) -> None:
    done = await finished_task(store, "a.png", b"x")
    open_task = await unfinished_task(store, "b.png")
    group_id = await group_of(
        store, Member(name="a.png", task_id=done), Member(name="b.png", task_id=open_task)
    )
    await store.emails.put(drafts.archive_draft(group_id, "ann@example.org"))
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = smtp_settings(settings, port)
        for _ in range(outbox._MAX_CRASHES + 2):
            await send_due(chosen, store)
            await make_due(store)
        email = await only_email(store)
        assert (email.status, email.troubles, email.faults) == (DeliveryStatus.CREATED, 0, 0)
        assert email.attempts > outbox._MAX_CRASHES and email.troubled_at is None
        await fail_task(store, open_task, "broken")
        await send_due(chosen, store)
    assert len(mailbox.messages) == 1
    assert "1 of 2 failed" in body(mailbox.messages[0])


async def test_missing_group_fails_the_email(settings: Settings, store: Store) -> None:
    await store.emails.put(drafts.archive_draft("nothing", "ann@example.org"))
    await send_due(settings, store)
    email = await only_email(store)
    assert (email.status, email.error) == (DeliveryStatus.FAILED, "the group no longer exists")


async def test_missing_result_bytes_fail_after_max_crashes(
    settings: Settings, store: Store
) -> None:
    task_id = await finished_task(store, "cat.png", b"x" * 50)
    task = await store.tasks.get(task_id)
    assert task is not None
    await store.results.delete(task.results[0].file_id)
    group_id = await group_of(store, Member(name="cat.png", task_id=task_id))
    await store.emails.put(drafts.archive_draft(group_id, "ann@example.org"))
    for _ in range(outbox._MAX_CRASHES + 1):
        await send_due(settings, store)
        await make_due(store)
    assert (await only_email(store)).status is DeliveryStatus.FAILED
