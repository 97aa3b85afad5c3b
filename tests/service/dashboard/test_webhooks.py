"""Webhooks on the dashboard: delivery attempts and redelivery."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from models.auth.api_key import Scope
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import STORE
from tests.conftest import Client
from tests.support.dashboard_api import api
from tests.support.webhook_receiver import deliver_due, only_webhook, run_receiver, webhook_settings
from tests.workers.webhooks.test_end_to_end import send


async def opened(aiohttp_client: Any, settings: Settings, **more: Any) -> Client:
    client: Client = await aiohttp_client(create_app(settings.replace(**more)))
    return client


async def test_delivery_attempts_are_listed(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url + "?token=s3cret", "a.png"))["task_id"]
        (waiting,) = (await api(client, f"tasks/{task_id}"))["webhooks"]
        assert (waiting["status"], waiting["type"], waiting["calls"]) == ("WAITING", None, [])
        assert waiting["actions"] == []
        await client.delete(f"/tasks/{task_id}")
        receiver.responses = [web.Response(status=503, text="<b>no</b>")]
        await deliver_due(chosen, store)
        document = await api(client, f"tasks/{task_id}")
        (hook,) = document["webhooks"]
        (call,) = hook["calls"]
        assert (call["outcome"], call["status"], call["worker"]) == ("http_error", 503, "press:1")
        assert call["ms"] > 0 and call["at"] and hook["due_at"]
        assert hook["error"] == "the receiver answered 503"
        assert hook["url"] == receiver.url + "?…"  # the query may hold the receiver's secret
        assert "s3cret" not in str(document) and "<b>" not in str(document)

        await api(client, "webhooks/msg_nothing", 404)
        response = await client.post("/dashboard/api/webhooks/msg_nothing/redeliver")
        assert response.status == 404
        again = f"/dashboard/api/webhooks/{hook['id']}/redeliver"
        response = await client.post(again)
        assert response.status == 202 and (await response.json())["id"] == hook["id"]
        await deliver_due(chosen, store)
        assert len(receiver.calls) == 2 and set(receiver.ids) == {hook["id"]}
        (hook,) = (await api(client, f"tasks/{task_id}"))["webhooks"]
        assert (hook["status"], hook["error"], len(hook["calls"])) == ("SENT", None, 2)
        assert hook["actions"] == ["redeliver"]
        assert (await api(client, "webhooks", status="SENT"))["webhooks"] == [hook]
        assert (await api(client, "webhooks", status="FAILED"))["webhooks"] == []
        await api(client, "webhooks", 422, status="LOST")
        # The public task document does not name the receivers.
        public = await (await client.get(f"/tasks/{task_id}")).json()
        assert "webhooks" not in public and str(receiver.port) not in str(public)


async def test_a_webhook_being_sent_is_not_redelivered(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    client = await opened(aiohttp_client, settings)
    task_id = (await send(client, "https://example.org/", "a.png"))["task_id"]
    event = await only_webhook(store)
    response = await client.post(f"/dashboard/api/webhooks/{event.id}/redeliver")
    document = await response.json()
    assert (response.status, document["measured"]) == (409, DeliveryStatus.WAITING)
    assert document["allowed"] == ["SENT", "FAILED"]
    await client.delete(f"/tasks/{task_id}")
    assert await store.webhooks.claim("t", 60)
    response = await client.post(f"/dashboard/api/webhooks/{event.id}/redeliver")
    assert response.status == 409


async def test_redelivery_needs_authorization(settings: Settings, aiohttp_client: Any) -> None:
    client = await opened(aiohttp_client, settings)
    path = "/dashboard/api/webhooks/msg_x/redeliver"
    assert (await client.post(path, headers={"Origin": "https://evil.example"})).status == 403
    assert (await client.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    locked = await opened(aiohttp_client, settings, api_keys="on")
    assert (await locked.post(path)).status == 401
    assert (await locked.get("/dashboard/api/webhooks")).status == 401
    _, key = await locked.app[STORE].api_keys.create("operator", (Scope.ADMIN,), None)
    mine = {"Authorization": f"Bearer {key}"}
    assert (await locked.post(path, headers=mine)).status == 404
