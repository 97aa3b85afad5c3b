"""A callback_url from submission to receiver, with the real service, stores and worker."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from models.outbox.item import DeliveryStatus
from models.outbox.webhook import SubjectKind
from models.settings import Settings
from models.store import Store
from models.store.mongo.availability import unavailable
from service.app import create_app
from tests.conftest import Client, working
from tests.support import images
from tests.support.smtp import fail_task, wait_until
from tests.support.task_factory import allow
from tests.support.webhook_receiver import (
    SECRET,
    Receiver,
    all_webhooks,
    deliver_due,
    only_webhook,
    outcomes,
    run_receiver,
    update_webhooks,
    webhook_settings,
)
from workers.context import WorkerContext
from workers.webhooks.sender import WebhookSender


async def open_client(aiohttp_client: Any, settings: Settings) -> Client:
    client: TestClient[Any, Any] = await aiohttp_client(create_app(settings))
    return client


async def send(client: Client, url: str, *names: str, path: str = "/grayscale", **more: str) -> Any:
    form = images.form(images.png(seed=len(names)), names[0], callback_url=url, **more)
    for number, name in enumerate(names[1:]):
        form.add_field("image", images.png(seed=10 + number), filename=name)
    response = await client.post(path, data=form)
    return await response.json()


def verified(headers: Mapping[str, str], body: bytes, secret: str = SECRET) -> Any:
    """Verify a call twice: with the library that signed it, and by the specification."""
    document = Webhook(secret).verify(body, dict(headers))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert f"v1,{expected}" in headers["webhook-signature"].split(" ")
    return document


async def wait_for_calls(receiver: Receiver, count: int) -> None:
    async def enough() -> bool:
        return len(receiver.calls) >= count

    await wait_until(enough, 60)


async def test_task_webhook(settings: Settings, aiohttp_client: Any, store: Store) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        async with working(chosen):
            task = await send(client, receiver.url + "?token=s3cret", "cat.png")
            await wait_for_calls(receiver, 1)
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

        async def recorded() -> bool:
            return (await only_webhook(store)).status is DeliveryStatus.SENT

        await wait_until(recorded)
        figures = await (await client.get("/metrics")).text()
        assert "darkroom_webhooks_due 0" in figures
        assert "darkroom_oldest_due_webhook_seconds 0" in figures
        webhook = await only_webhook(store)
        assert (webhook.id, outcomes(webhook)) == (headers["webhook-id"], ["delivered"])
        # The same upload again has its result already: that is its own webhook.
        again = await send(client, receiver.url, "cat.png")
        assert again["status"] == "SUCCESS"
        assert await deliver_due(chosen, store) == 1
        assert len(set(receiver.ids)) == 2
        assert json.loads(receiver.calls[1][1])["data"] == answer


async def test_the_sender_starts_again_if_the_store_is_away_while_it_starts(
    settings: Settings, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a second start, this worker would never send a webhook."""
    opened, errors = WebhookSender.open, [unavailable()]

    async def open_later(worker: WorkerContext) -> WebhookSender:
        if errors:
            raise errors.pop()
        return await opened(worker)

    monkeypatch.setattr(WebhookSender, "open", open_later)
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        async with working(chosen):
            await send(client, receiver.url, "cat.png")
            await wait_for_calls(receiver, 1)
    assert errors == []


async def test_group_webhook_is_sent_when_all_tasks_ended(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        group = await send(client, receiver.url, "a.png", "b.png", "c.png")
        ids = [each["task_id"] for each in group["tasks"]]
        for task_id in ids[:-1]:
            await fail_task(store, task_id, "broken")
            await store.pending_webhooks.release([task_id])
        assert await deliver_due(chosen, store) == 0  # one is still open
        await client.delete(f"/tasks/{ids[-1]}")
        assert await deliver_due(chosen, store) == 1
        ((headers, body),) = receiver.calls
        document = verified(headers, body)
        answer = await (await client.get(f"/status/{group['group_id']}")).json()
        assert (document["type"], document["data"]) == ("group.failed", answer)


async def test_group_of_existing_tasks(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        task = await send(client, "", "a.png")
        request = {"tasks": [task["task_id"]], "callback_url": receiver.url}
        response = await client.post("/groups", json=request)
        assert response.status == 202
        webhook = await only_webhook(store)
        assert (webhook.about, webhook.status) == (SubjectKind.GROUP, DeliveryStatus.WAITING)
        await fail_task(store, task["task_id"], "broken")
        await update_webhooks(store, {"looked_at": webhook.created_at})
        assert (
            await store.pending_webhooks.poll(0) == 1
        )  # as if the worker that ended it had died at once
        assert await deliver_due(chosen, store) == 1
        response = await client.post(
            "/groups", json={**request, "callback_url": "http://10.0.0.1/"}
        )
        assert (response.status, (await response.json())["code"]) == (422, "bad_callback")


async def test_every_end_is_sent_until_success(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url, "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        assert await deliver_due(chosen, store) == 1
        await client.post(f"/tasks/{task_id}/retry")
        assert await store.pending_webhooks.poll(0) == await deliver_due(chosen, store) == 0
        await fail_task(store, task_id, "broken")
        await store.pending_webhooks.release([task_id])
        assert await deliver_due(chosen, store) == 1
        await send(client, "", "a.png")  # another client uploads the same picture
        async with working(chosen):
            await wait_for_calls(receiver, 3)
        kinds = [json.loads(body)["type"] for _, body in receiver.calls]
        assert kinds == ["task.cancelled", "task.failed", "task.succeeded"]
        assert len(set(receiver.ids)) == 3
        await store.webhooks.rearm(task_id, allow)
        assert len(await all_webhooks(store)) == 3


async def test_restart_before_the_webhook_was_sent(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """Only the final end is sent, once."""
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url, "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        await client.post(f"/tasks/{task_id}/retry")
        await deliver_due(chosen, store)
        assert receiver.calls == []
        await fail_task(store, task_id, "broken")
        await store.pending_webhooks.release([task_id])
        await deliver_due(chosen, store)
        assert [json.loads(body)["type"] for _, body in receiver.calls] == ["task.failed"]


async def test_webhook_to_ourselves_does_not_loop(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """The end of a task calls its own /retry, whose end would call it again, ..."""
    client = await open_client(aiohttp_client, settings)
    chosen = webhook_settings(settings, webhook_ports=f"{client.port}")
    other = await open_client(aiohttp_client, chosen)  # accepts the port of the first as a receiver
    task_id = (await send(client, "", "a.png"))["task_id"]
    await send(other, f"http://127.0.0.1:{client.port}/tasks/{task_id}/retry", "a.png")
    await client.delete(f"/tasks/{task_id}")
    assert await deliver_due(chosen, store) == 1
    webhook = await only_webhook(store)
    assert [each.status for each in webhook.log] == [403]
    task = await store.tasks.get(task_id)
    assert task is not None and task.status == "CANCELLED"


async def test_same_submission_twice_is_sent_once(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        await send(client, receiver.url, "a.png")
        await send(client, receiver.url, "a.png")
        assert len(await all_webhooks(store)) == 1
        await send(client, receiver.url + "/other", "a.png")
        await send(client, receiver.url, "b.png")  # another name makes another payload
        assert len(await all_webhooks(store)) == 3


@pytest.mark.parametrize("path", ["/grayscale", "/process", "/convert"])
async def test_every_submission_route_accepts_and_validates_it(
    path: str, settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    fields = {"/process": {"operations": "grayscale"}, "/convert": {"format": "webp"}}
    async with run_receiver() as receiver:
        client = await open_client(aiohttp_client, webhook_settings(settings, receiver))
        answer = await send(
            client, "http://169.254.169.254/", "a.png", path=path, **fields.get(path, {})
        )
        assert (answer["code"], answer["parameter"]) == ("bad_callback", "callback_url")
        assert answer["measured"] == "169.254.169.254"
        assert await store.tasks.get_many([]) == {} and await all_webhooks(store) == []
        answer = await send(client, receiver.url, "a.png", path=path, **fields.get(path, {}))
        assert answer["status"] == "CREATED"
        assert (await only_webhook(store)).subject == answer["task_id"]


async def test_disabled_and_rate_limited(settings: Settings, aiohttp_client: Any) -> None:
    client = await open_client(aiohttp_client, settings.replace(webhooks=False))
    answer = await send(client, "https://example.org/", "a.png")
    assert (answer["code"], answer["setting"]) == ("bad_callback", "WEBHOOKS")
    client = await open_client(aiohttp_client, settings.replace(webhooks_per_client=2))
    for _ in range(2):
        assert "task_id" in await send(client, "https://example.org/", "a.png")
    answer = await send(client, "https://example.org/", "a.png")
    assert (answer["code"], answer["setting"]) == ("rate_limited", "WEBHOOKS_PER_CLIENT")
    assert "task_id" in await send(client, "", "a.png")
