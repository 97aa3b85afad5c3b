"""The outbox: .eml files, leases of the dead, keys, and what is remembered how long."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from models.outbox import email as drafts
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support.smtp import age, body, letters, send_due, the_letter, until, until_due

DRAFT = drafts.confirm("s1", "ann@example.org")


async def test_without_a_server_letters_become_files(settings: Settings, store: Store) -> None:
    await store.mail.put(DRAFT)
    await send_due(settings, store)
    letter = await the_letter(store)
    assert letter.status is Mailing.SENT
    (path,) = (settings.data_dir / "outbox").iterdir()
    assert path.name == letter.message_id.strip("<>") + ".eml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["To"] == "ann@example.org"
    assert "/subscribe/confirm?token=" in body(message)
    # Whole links stand in the file as they are, for whoever reads it with an editor.
    assert f"{settings.url}/subscribe/confirm?token=" in path.read_text()


async def test_a_folder_that_cannot_be_written_loses_nothing(
    settings: Settings, store: Store
) -> None:
    settings.data_dir.parent.mkdir(exist_ok=True)
    settings.data_dir.write_text("a file where a folder should be")
    await store.mail.put(DRAFT)
    await send_due(settings, store)
    letter = await the_letter(store)
    assert (letter.status, letter.troubles, letter.faults) == (Mailing.CREATED, 1, 0)
    settings.data_dir.unlink()
    await until_due(store)
    await send_due(settings, store)
    assert (await the_letter(store)).status is Mailing.SENT


async def test_it_says_where_letters_go(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with working(settings):
        await store.mail.put(DRAFT)

        async def sent() -> bool:
            return (await the_letter(store)).status is Mailing.SENT

        await until(sent)
    assert len(list((settings.data_dir / "outbox").glob("*.eml"))) == 1
    said = capsys.readouterr().out
    assert "letters_go_to_files" in said and str(settings.data_dir / "outbox") in said
    assert DRAFT.to not in said


async def test_a_key_is_one_letter_until_it_counts_no_more(store: Store) -> None:
    assert await store.mail.put(DRAFT)
    assert not await store.mail.put(DRAFT)
    assert not await store.mail.put(DRAFT, again=0)  # it has not even been sent
    letter = await store.mail.claim("t", 60)
    assert letter is not None
    await store.mail.sent(letter, 60)
    assert not await store.mail.put(DRAFT)
    assert not await store.mail.put(DRAFT, again=100)
    await age(store, 101, "ended_at")
    answers = await asyncio.gather(*(store.mail.put(DRAFT, again=100) for _ in range(8)))
    assert answers.count(True) == 1
    again = await store.mail.claim("t2", 60)
    assert again is not None and again.id != letter.id and again.message_id != letter.message_id
    await store.mail.fail(again, "refused", 60)
    assert await store.mail.put(DRAFT, again=100)  # what failed does not count
    assert len(await letters(store)) == 3


async def test_put_all_adds_what_is_missing(store: Store) -> None:
    batch = [drafts.confirm(f"s{n}", f"a{n}@example.org") for n in range(5)]
    assert await store.mail.put_all(batch[:2]) == 2
    assert await store.mail.put_all(batch) == 3
    assert await store.mail.put_all(batch) == 0
    assert await store.mail.put_all([]) == 0


async def test_nothing_is_remembered_for_ever(store: Store, settings: Settings) -> None:
    await store.mail.put(DRAFT)
    letter = await store.mail.claim("t", 60)
    assert letter is not None
    await store.mail.sent(letter, settings.mail_keep)
    document = await store.mail._parcels.find_one()
    assert document is not None
    kept = document["expires_at"] - document["ended_at"]
    assert kept.total_seconds() == settings.mail_keep
    for room, collection in (
        (store.mail, "parcels"),
        (store.subscribers, "subscribers"),
        (store.quotas, "quotas"),
    ):
        indexes = await getattr(room, f"_{collection}").index_information()
        assert indexes["expires_at_1"]["expireAfterSeconds"] == 0
