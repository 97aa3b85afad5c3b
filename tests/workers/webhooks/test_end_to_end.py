"""A callback_url from the submission to the receiver: over the real service, stores and worker."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from models.outbox.item import Mailing
from models.outbox.webhook import About
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import Client, working
from tests.support import images
from tests.support.smtp import fail_task, until
from tests.support.webhook_receiver import (
    SECRET,
    Receiver,
    calling,
    change_events,
    events,
    outcomes,
    receiving,
    tell_due,
    the_event,
)


async def opened(aiohttp_client: Any, settings: Settings) -> Client:
    client: TestClient[Any, Any] = await aiohttp_client(create_app(settings))
    return client


async def send(client: Client, url: str, *names: str, path: str = "/grayscale", **more: str) -> Any:
    form = images.form(images.png(seed=len(names)), names[0], callback_url=url, **more)
    for number, name in enumerate(names[1:]):
        form.add_field("image", images.png(seed=10 + number), filename=name)
    response = await client.post(path, data=form)
    return await response.json()


def verified(headers: Mapping[str, str], body: bytes, secret: str = SECRET) -> Any:
    """Verify a call twice: by the library that signed it, and as the specification reads."""
    document = Webhook(secret).verify(body, dict(headers))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert f"v1,{expected}" in headers["webhook-signature"].split(" ")
    return document


async def told(receiver: Receiver, count: int) -> None:
    async def came() -> bool:
        return len(receiver.calls) >= count

    await until(came, 60)


async def test_a_task_is_told(settings: Settings, aiohttp_client: Any, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        async with working(chosen):
            task = await send(client, receiver.url + "?token=s3cret", "cat.png")
            await told(receiver, 1)
        ((headers, body),) = receiver.calls
        document = verified(headers, body)
        answer = await (await client.get(f"/tasks/{task['task_id']}")).json()
        assert document == {
            "type": "task.succeeded",
            "timestamp": answer["finished_at"],
            "data": answer,
        }
        assert headers["Content-Type"] == "application/json"
        assert receiver.paths == ["/hook?token=s3cret"]
        with pytest.raises(WebhookVerificationError):
            verified(headers, body.replace(b"SUCCESS", b"FAILURE"))

        async def noted() -> bool:
            return (await the_event(store)).status is Mailing.SENT

        await until(noted)
        figures = await (await client.get("/metrics")).text()
        assert "darkroom_webhooks_due 0" in figures
        assert "darkroom_webhooks_late_seconds 0" in figures
        event = await the_event(store)
        assert (event.id, outcomes(event)) == (headers["webhook-id"], ["delivered"])
        # The same again is done already: it is told, too, as an event of its own.
        again = await send(client, receiver.url, "cat.png")
        assert again["status"] == "SUCCESS"
        assert await tell_due(chosen, store) == 1
        assert len(set(receiver.ids)) == 2
        assert json.loads(receiver.calls[1][1])["data"] == answer


async def test_pictures_sent_together_are_told_once_all_ended(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        group = await send(client, receiver.url, "a.png", "b.png", "c.png")
        ids = [each["task_id"] for each in group["tasks"]]
        for task_id in ids[:-1]:
            await fail_task(store, task_id, "broken")
            await store.awaited.settle(task_id)
        assert await tell_due(chosen, store) == 0  # one is still open
        await client.delete(f"/tasks/{ids[-1]}")
        assert await tell_due(chosen, store) == 1
        ((headers, body),) = receiver.calls
        document = verified(headers, body)
        answer = await (await client.get(f"/status/{group['group_id']}")).json()
        assert (document["type"], document["data"]) == ("group.failed", answer)


async def test_gathered_tasks_are_told_as_a_group(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        task = await send(client, "", "a.png")
        asked = {"tasks": [task["task_id"]], "callback_url": receiver.url}
        response = await client.post("/groups", json=asked)
        assert response.status == 202
        event = await the_event(store)
        assert (event.about, event.status) == (About.GROUP, Mailing.WAITING)
        await fail_task(store, task["task_id"], "broken")
        await change_events(store, {"looked_at": event.created_at})
        assert await store.awaited.look(0) == 1  # as if who ended it had died at once
        assert await tell_due(chosen, store) == 1
        response = await client.post("/groups", json={**asked, "callback_url": "http://10.0.0.1/"})
        assert (response.status, (await response.json())["code"]) == (422, "bad_callback")


async def test_every_end_is_told_until_one_is_success(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url, "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        assert await tell_due(chosen, store) == 1
        await client.post(f"/tasks/{task_id}/retry")
        assert await store.awaited.look(0) == await tell_due(chosen, store) == 0
        await fail_task(store, task_id, "broken")
        await store.awaited.settle(task_id)
        assert await tell_due(chosen, store) == 1
        await send(client, "", "a.png")  # somebody else sends the same picture
        async with working(chosen):
            await told(receiver, 3)
        kinds = [json.loads(body)["type"] for _, body in receiver.calls]
        assert kinds == ["task.cancelled", "task.failed", "task.succeeded"]
        assert len(set(receiver.ids)) == 3
        await store.events.again(task_id)
        assert len(await events(store)) == 3


async def test_begun_anew_before_it_was_told(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """What was not told yet tells the end that counts, once."""
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url, "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        await client.post(f"/tasks/{task_id}/retry")
        await tell_due(chosen, store)
        assert receiver.calls == []
        await fail_task(store, task_id, "broken")
        await store.awaited.settle(task_id)
        await tell_due(chosen, store)
        assert [json.loads(body)["type"] for _, body in receiver.calls] == ["task.failed"]


async def test_a_webhook_to_ourselves_does_not_turn_round(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """A task that fails has itself retried, at whose end it has itself retried, ..."""
    client = await opened(aiohttp_client, settings)
    chosen = calling(settings, webhook_ports=f"{client.port}")
    other = await opened(aiohttp_client, chosen)  # takes the port of the first for a receiver's
    task_id = (await send(client, "", "a.png"))["task_id"]
    await send(other, f"http://127.0.0.1:{client.port}/tasks/{task_id}/retry", "a.png")
    await client.delete(f"/tasks/{task_id}")
    assert await tell_due(chosen, store) == 1
    event = await the_event(store)
    assert [each.status for each in event.log] == [403]
    task = await store.tasks.get(task_id)
    assert task is not None and task.status == "CANCELLED"


async def test_the_same_sent_twice_is_told_once(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        await send(client, receiver.url, "a.png")
        await send(client, receiver.url, "a.png")
        assert len(await events(store)) == 1
        await send(client, receiver.url + "/other", "a.png")
        await send(client, receiver.url, "b.png")  # under another name it is another answer
        assert len(await events(store)) == 3


@pytest.mark.parametrize("path", ["/grayscale", "/process", "/convert"])
async def test_every_submission_takes_it_and_refuses_bad_ones(
    path: str, settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    fields = {"/process": {"operations": "grayscale"}, "/convert": {"format": "webp"}}
    async with receiving() as receiver:
        client = await opened(aiohttp_client, calling(settings, receiver))
        answer = await send(
            client, "http://169.254.169.254/", "a.png", path=path, **fields.get(path, {})
        )
        assert (answer["code"], answer["parameter"]) == ("bad_callback", "callback_url")
        assert answer["measured"] == "169.254.169.254"
        assert await store.tasks.many([]) == {} and await events(store) == []
        answer = await send(client, receiver.url, "a.png", path=path, **fields.get(path, {}))
        assert answer["status"] == "CREATED"
        assert (await the_event(store)).subject == answer["task_id"]


async def test_off_and_limited(settings: Settings, aiohttp_client: Any) -> None:
    client = await opened(aiohttp_client, settings.model_copy(update={"webhooks": False}))
    answer = await send(client, "https://example.org/", "a.png")
    assert (answer["code"], answer["setting"]) == ("bad_callback", "WEBHOOKS")
    client = await opened(aiohttp_client, settings.model_copy(update={"webhooks_per_client": 2}))
    for _ in range(2):
        assert "task_id" in await send(client, "https://example.org/", "a.png")
    answer = await send(client, "https://example.org/", "a.png")
    assert (answer["code"], answer["setting"]) == ("rate_limited", "WEBHOOKS_PER_CLIENT")
    assert "task_id" in await send(client, "", "a.png")
