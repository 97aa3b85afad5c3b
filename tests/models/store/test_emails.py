"""The e-mail outbox: .eml files, keys, resending, and expiry."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from models.outbox import email as drafts
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support.smtp import (
    all_emails,
    backdate,
    body,
    make_due,
    only_email,
    send_due,
    wait_until,
)

DRAFT = drafts.confirmation_draft("s1", "ann@example.org")


async def test_without_a_server_emails_become_files(settings: Settings, store: Store) -> None:
    await store.emails.put(DRAFT)
    await send_due(settings, store)
    email = await only_email(store)
    assert email.status is DeliveryStatus.SENT
    (path,) = (settings.stores.data_dir / "outbox").iterdir()
    assert path.name == email.message_id.strip("<>") + ".eml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["To"] == "ann@example.org"
    assert "/subscribe/confirm?token=" in body(message)
    # Links are unbroken in the file, for a reader with an editor.
    assert f"{settings.http.base_url}/subscribe/confirm?token=" in path.read_text()


async def test_unwritable_folder_loses_no_email(settings: Settings, store: Store) -> None:
    settings.stores.data_dir.parent.mkdir(exist_ok=True)
    settings.stores.data_dir.write_text("a file where a folder should be")
    await store.emails.put(DRAFT)
    await send_due(settings, store)
    email = await only_email(store)
    assert (email.status, email.troubles, email.faults) == (DeliveryStatus.CREATED, 1, 0)
    settings.stores.data_dir.unlink()
    await make_due(store)
    await send_due(settings, store)
    assert (await only_email(store)).status is DeliveryStatus.SENT


async def test_log_names_the_email_folder(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with working(settings):
        await store.emails.put(DRAFT)

        async def sent() -> bool:
            return (await only_email(store)).status is DeliveryStatus.SENT

        await wait_until(sent)
    assert len(list((settings.stores.data_dir / "outbox").glob("*.eml"))) == 1
    output = capsys.readouterr().out
    assert "emails_go_to_files" in output and str(settings.stores.data_dir / "outbox") in output
    assert DRAFT.to not in output


async def test_key_blocks_a_second_email_until_it_expires(store: Store) -> None:
    assert await store.emails.put(DRAFT)
    assert not await store.emails.put(DRAFT)
    assert not await store.emails.put(DRAFT, resend_after=0)  # it has not been sent yet
    email = await store.emails.claim("t", 60)
    assert email is not None
    await store.emails.mark_sent(email)
    assert not await store.emails.put(DRAFT)
    assert not await store.emails.put(DRAFT, resend_after=100)
    await backdate(store, 101, "ended_at")
    answers = await asyncio.gather(*(store.emails.put(DRAFT, resend_after=100) for _ in range(8)))
    assert answers.count(True) == 1
    resent = await store.emails.claim("t2", 60)
    assert resent is not None and resent.id != email.id and resent.message_id != email.message_id
    await store.emails.fail(resent, "refused")
    assert await store.emails.put(DRAFT, resend_after=100)  # a failed e-mail does not block
    assert len(await all_emails(store)) == 3


async def test_put_all_inserts_only_new_keys(store: Store) -> None:
    batch = [drafts.confirmation_draft(f"s{n}", f"a{n}@example.org") for n in range(5)]
    assert await store.emails.put_all(batch[:2]) == 2
    assert await store.emails.put_all(batch) == 3
    assert await store.emails.put_all(batch) == 0
    assert await store.emails.put_all([]) == 0


async def test_sent_emails_expire(store: Store) -> None:
    await store.emails.put(DRAFT)
    email = await store.emails.claim("t", 60)
    assert email is not None
    await store.emails.mark_sent(email)
    document = await store.emails._collection.find_one()
    assert document is not None
    kept = document["expires_at"] - document["ended_at"]
    assert kept.total_seconds() == store.emails.keep_seconds
    for collection in (store.emails._collection, store.subscribers._collection):
        indexes = await collection.index_information()
        assert indexes["expires_at_1"]["expireAfterSeconds"] == 0
