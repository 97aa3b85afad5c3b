"""The outbox: .eml files, leases of the dead, keys, and what is remembered how long."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from models import letter as drafts
from models.letter import Mailing
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.house import ROOT
from tests.letters import (
    Mailbox,
    age,
    body,
    desk_of,
    letters,
    mail_server,
    posting,
    send_due,
    the_letter,
    until,
    until_due,
)
from workers.mail.post import Post
from workers.mail.sender import once

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
    settings: Settings, caplog: pytest.LogCaptureFixture, store: Store
) -> None:
    async with working(settings):
        await store.mail.put(DRAFT)

        async def sent() -> bool:
            return (await the_letter(store)).status is Mailing.SENT

        await until(sent)
    assert len(list((settings.data_dir / "outbox").glob("*.eml"))) == 1


async def test_the_letter_of_a_dead_worker_goes_to_another(
    settings: Settings, store: Store
) -> None:
    await store.mail.put(DRAFT)
    held = await store.mail.claim("dead", 0.2)
    assert held is not None
    assert await store.mail.claim("other", 10) is None

    async def free() -> bool:
        return bool(await send_due(settings, store))

    await until(free)
    letter = await the_letter(store)
    assert (letter.status, letter.attempts, letter.faults) == (Mailing.SENT, 2, 1)
    assert letter.message_id == held.message_id
    # The dead one comes back to life: it changes nothing.
    assert not await store.mail.retry(held, 0, "late", fault=False)
    assert not await store.mail.fail(held, "late", 60)
    assert (await the_letter(store)).status is Mailing.SENT


async def test_what_was_sent_counts_as_sent_though_the_lease_is_anothers(store: Store) -> None:
    await store.mail.put(DRAFT)
    slow = await store.mail.claim("slow", 0)
    quick = await store.mail.claim("quick", 60)
    assert slow is not None and quick is not None
    await store.mail.sent(slow, 60)
    assert (await the_letter(store)).status is Mailing.SENT
    assert not await store.mail.fail(quick, "late", 60)


async def test_a_letter_that_kills_its_workers_is_given_up(
    settings: Settings, store: Store
) -> None:
    await store.mail.put(DRAFT)
    for number in range(settings.mail_attempts):
        assert await store.mail.claim(f"dead{number}", 0) is not None
        await until_due(store)
    await send_due(settings, store)
    letter = await the_letter(store)
    assert (letter.status, letter.faults) == (Mailing.FAILED, settings.mail_attempts)


async def test_kill_9_of_a_worker_that_sends(settings: Settings, store: Store) -> None:
    """Its letter is sent by another process as soon as the lease is over."""
    await store.mail.put(DRAFT)
    code = (
        "import asyncio, secrets\n"
        "from models.settings import Settings\n"
        "from models.store import Store\n"
        "async def main():\n"
        "    store = await Store.open(Settings())\n"
        "    print((await store.mail.claim('t', 1.5)).id, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    environment = {**os.environ, "MONGO_URL": settings.mongo_url, "MONGO_DB": settings.mongo_db}
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline()
    holder.kill()
    assert await holder.wait() == -signal.SIGKILL
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        async with working(posting(settings, port)):

            async def sent() -> bool:
                return (await the_letter(store)).status is Mailing.SENT

            await until(sent)
    assert len(mailbox.messages) == 1


async def test_a_stopped_worker_finishes_or_hands_back(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.mail import sender

    monkeypatch.setattr(sender, "_LAST_LETTER", 0.1)
    begun = asyncio.Event()

    async def stuck(self: Any, message: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Post, "send", stuck)
    await store.mail.put(DRAFT)
    sending = asyncio.create_task(once(await desk_of(settings, store), Post(settings)))
    await begun.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    letter = await the_letter(store)
    assert (letter.status, letter.lease, letter.faults) == (Mailing.CREATED, None, 0)


async def test_a_long_letter_keeps_its_lease(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(self: Any, message: Any) -> None:
        begun.set()
        await go.wait()

    monkeypatch.setattr(Post, "send", slow)
    quick = settings.model_copy(update={"lease_seconds": 0.6})
    await store.mail.put(DRAFT)
    sending = asyncio.create_task(once(await desk_of(quick, store), Post(quick)))
    await begun.wait()
    first = await the_letter(store)
    assert first.lease is not None

    async def extended() -> bool:
        lease = (await the_letter(store)).lease
        assert lease is not None and first.lease is not None
        return bool(lease["until"] > first.lease["until"])

    await until(extended)
    assert await store.mail.claim("other", 10) is None
    go.set()
    await sending
    assert (await the_letter(store)).status is Mailing.SENT


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
    document = await store.mail._mail.find_one()
    assert document is not None
    kept = document["expires_at"] - document["ended_at"]
    assert kept.total_seconds() == settings.mail_keep
    for room, collection in (
        (store.mail, "mail"),
        (store.subscribers, "subscribers"),
        (store.quotas, "quotas"),
    ):
        indexes = await getattr(room, f"_{collection}").index_information()
        assert indexes["expires_at_1"]["expireAfterSeconds"] == 0


async def test_the_senders_survive_a_store_that_is_away(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.errors import StoreUnavailable

    mailbox, claim, failures = Mailbox(), store.mail.claim, [1, 2, 3]

    async def away(token: str, seconds: float) -> Any:
        if failures:
            failures.pop()
            raise StoreUnavailable("away", store="mongodb")
        return await claim(token, seconds)

    from workers.mail.sender import send

    monkeypatch.setattr(store.mail, "claim", away)
    await store.mail.put(DRAFT)
    with mail_server(mailbox) as port:
        sending = asyncio.create_task(send(posting(settings, port), store))

        async def sent() -> bool:
            return (await the_letter(store)).status is Mailing.SENT

        await until(sent)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert len(mailbox.messages) == 1 and not failures


async def test_one_secret_for_all(settings: Settings) -> None:
    stores = [Store(settings) for _ in range(6)]
    found = await asyncio.gather(*(each.secret.get() for each in stores))
    assert len(set(found)) == 1 and len(found[0]) >= 48
    await stores[0].drop()
    for each in stores:
        each.close()


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    from models.errors import BadSettings

    environment = {"SMTP_USER": "u", "SMTP_PASSWORD": "hush1", "SECRET_KEY": "hush2" * 10}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Settings.load()
        assert settings.smtp_password.get_secret_value() == "hush1"
        assert "hush" not in f"{settings!r} {settings} {settings.model_dump()}"
        patch.setenv("SECRET_KEY", "hush2")
        with pytest.raises(BadSettings) as short:
            Settings.load()
        assert "SECRET_KEY" in str(short.value) and "hush" not in str(short.value)
        patch.delenv("SMTP_USER")
        with pytest.raises(BadSettings, match="both or neither") as alone:
            Settings.load()
        assert "hush" not in str(alone.value)


@pytest.mark.parametrize("value", ["", "nobody", "a@b\nBcc: x@y.zz", "ä@example.org", "<a@>", "@b"])
def test_a_sender_that_is_none_is_refused(value: str) -> None:
    from models.settings.mail import sender

    with pytest.raises(ValueError):  # noqa: PT011
        sender(value)
