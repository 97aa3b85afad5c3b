"""GET and POST /send_images/<group_id>: e-mails the results to the group's address once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.outbox.email import EmailKind
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from models.tasks.group import Member
from service.app import create_app
from service.app_keys import STORE
from tests.conftest import working
from tests.support.smtp import (
    Mailbox,
    all_emails,
    backdate,
    finished_task,
    group_of,
    mail_server,
    only_email,
    send_due,
    smtp_settings,
    unfinished_task,
    wait_until,
)

ANN = "ann@example.org"


async def finished_group(store: Store, email: str | None = ANN) -> str:
    task_id = await finished_task(store, "cat.png", b"x" * 100)
    return await group_of(store, Member(name="cat.png", task_id=task_id), email=email)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_one_email_per_group(
    client: Any, settings: Settings, store: Store, method: str
) -> None:
    group_id = await finished_group(store)
    first = await client.request(method, f"/send_images/{group_id}")
    assert first.status == 202
    assert await first.json() == {
        "group_id": group_id,
        "status": "queued",
        "detail": "the e-mail is queued",
    }
    second = await (await client.request(method, f"/send_images/{group_id}")).json()
    assert (second["status"], "no second one" in second["detail"]) == ("queued", True)
    await send_due(settings, store)
    third = await (await client.request(method, f"/send_images/{group_id}")).json()
    assert (third["status"], "no second one" in third["detail"]) == ("sent", True)
    queued = await only_email(store)
    assert (queued.kind, queued.to, queued.status) == (EmailKind.ARCHIVE, ANN, DeliveryStatus.SENT)
    await backdate(store, 3601, "ended_at")
    fourth = await (await client.request(method, f"/send_images/{group_id}")).json()
    assert fourth["status"] == "queued"
    assert len(await all_emails(store)) == 2
    for response in (second, third, fourth):
        assert "ann" not in str(response) and "example.org" not in str(response)


async def test_concurrent_calls_queue_one_email(client: Any, store: Store) -> None:
    group_id = await finished_group(store)
    responses = await asyncio.gather(*(client.get(f"/send_images/{group_id}") for _ in range(8)))
    assert {response.status for response in responses} == {202}
    assert len(await all_emails(store)) == 1


async def test_response_tells_how_many_tasks_have_ended(client: Any, store: Store) -> None:
    member = Member(name="a.png", task_id=await unfinished_task(store, "a.png"))
    refused = Member(name="b.txt", error={"code": "x", "detail": "y"})
    group_id = await group_of(store, member, refused)
    body = await (await client.post(f"/send_images/{group_id}")).json()
    assert body["detail"] == "the e-mail is sent when all tasks have ended: 1 of 2 have"


async def test_response_tells_failed_deliveries(
    client: Any, settings: Settings, store: Store
) -> None:
    from standalone.embedded_stores import free_port

    group_id = await finished_group(store)
    await client.post(f"/send_images/{group_id}")
    await send_due(smtp_settings(settings, free_port()), store)
    body = await (await client.post(f"/send_images/{group_id}")).json()
    assert body["status"] == "queued" and "tried 1 times" in body["detail"]


async def test_unknown_groups_and_groups_without_an_address(client: Any, store: Store) -> None:
    for unknown in ("0" * 32, "nope", "%24ne", "a" * 3000):
        assert (await client.get(f"/send_images/{unknown}")).status == 404
    for group_id in (await finished_group(store, email=None), await finished_task(store, "a", b"")):
        response = await client.get(f"/send_images/{group_id}")
        body = await response.json()
        assert (response.status, body["code"], body["parameter"]) == (422, "bad_parameter", "email")
        assert "-F email=" in body["detail"]
    assert (await client.get(f"/send_images/{group_id}?email={ANN}")).status == 422
    assert (await client.head(f"/send_images/{await finished_group(store)}")).status == 405
    assert await all_emails(store) == []


async def test_mail_per_address_and_mail_per_client(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    strict = settings.replace(mail_per_address=2, mail_per_client=3)
    client = await aiohttp_client(create_app(strict))
    groups = [await finished_group(store) for _ in range(3)]
    others = [await finished_group(store, "bob@example.org") for _ in range(2)]
    statuses = [(await client.get(f"/send_images/{g}")).status for g in groups]
    assert statuses == [202, 202, 429]
    response = await client.get(f"/send_images/{others[0]}")
    assert (response.status, (await response.json())["setting"]) == (429, "MAIL_PER_CLIENT")
    # A repeated call for a queued e-mail does not count.
    assert (await client.get(f"/send_images/{groups[0]}")).status == 202
    assert len(await all_emails(store)) == 2


async def test_only_queued_emails_count(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    """Calls that queue no e-mail do not count against MAIL_PER_ADDRESS."""
    client = await aiohttp_client(create_app(settings.replace(mail_per_address=2)))
    groups = [await finished_group(store) for _ in range(3)]
    responses = await asyncio.gather(*(client.get(f"/send_images/{groups[0]}") for _ in range(5)))
    assert [response.status for response in responses] == [202] * 5
    assert [(await client.get(f"/send_images/{g}")).status for g in groups] == [202, 202, 429]
    assert len(await all_emails(store)) == 2


async def test_call_that_fails_with_the_store_can_be_repeated(
    settings: Settings, store: Store, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await aiohttp_client(create_app(settings.replace(mail_per_address=2)))
    group_id = await finished_group(store)

    async def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("unavailable", store="mongodb")

    with monkeypatch.context() as patch:
        patch.setattr(client.app[STORE].emails, "put", fail)
        assert (await client.get(f"/send_images/{group_id}")).status == 503
    assert await all_emails(store) == []
    assert (await client.get(f"/send_images/{group_id}")).status == 202
    assert len(await all_emails(store)) == 1


async def test_concurrent_calls_stay_within_the_limit(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    client = await aiohttp_client(create_app(settings.replace(mail_per_address=3)))
    groups = [await finished_group(store) for _ in range(12)]
    responses = await asyncio.gather(*(client.get(f"/send_images/{g}") for g in groups))
    assert sorted(response.status for response in responses) == [202] * 3 + [429] * 9
    assert len(await all_emails(store)) == 3
    for response in responses:
        if response.status == 429:
            body = await response.json()
            assert (body["setting"], body["limit"], body["measured"]) == ("MAIL_PER_ADDRESS", 3, 4)
            assert 0 < int(response.headers["Retry-After"]) <= 3600


async def test_sub_addresses_share_the_limit_of_their_mailbox(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    client = await aiohttp_client(create_app(settings.replace(mail_per_address=2)))
    spellings = ("ann@example.org", "ann+1@example.org", "ann+2@example.org", "a.nn@example.org")
    groups = [await finished_group(store, email) for email in spellings]
    responses = [await client.get(f"/send_images/{group}") for group in groups]
    assert [response.status for response in responses] == [202, 202, 429, 202]
    assert {email.to for email in await all_emails(store)} == {*spellings} - {spellings[2]}


async def test_failed_email_can_be_sent_again(
    client: Any, settings: Settings, store: Store
) -> None:
    group_id = await finished_group(store)
    await client.get(f"/send_images/{group_id}")
    mailbox = Mailbox()
    mailbox.refused = {ANN: "550 full"}
    with mail_server(mailbox) as port:
        await send_due(smtp_settings(settings, port), store)
        assert (await only_email(store)).status is DeliveryStatus.FAILED
        mailbox.refused = {}
        body = await (await client.get(f"/send_images/{group_id}")).json()
        assert body["status"] == "queued"
        await send_due(smtp_settings(settings, port), store)
    assert mailbox.recipients == [ANN]


async def test_worker_sends_the_email(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    """An image is uploaded, processed and e-mailed by a worker."""
    from tests.support import images

    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        chosen = smtp_settings(settings, port)
        client = await aiohttp_client(create_app(chosen))
        task = await (
            await client.post("/upscale", data=images.form(images.png(), "cat.png"))
        ).json()
        group_id = await group_of(store, Member(name="cat.png", task_id=task["task_id"]))
        assert (await client.post(f"/send_images/{group_id}")).status == 202
        async with working(chosen):

            async def arrived() -> bool:
                return bool(mailbox.messages)

            await wait_until(arrived, 60)
    (attachment,) = mailbox.messages[0].iter_attachments()
    assert attachment.get_content_type() == "application/zip"
