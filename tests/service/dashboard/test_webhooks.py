"""Webhooks on the dashboard: what was called when, and once more at an operator's word."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import Client
from tests.service.dashboard.test_api import api
from tests.service.dashboard.test_auth import TOKEN
from tests.support.webhook_receiver import calling, receiving, tell_due, the_event
from tests.workers.webhooks.test_end_to_end import send


async def opened(aiohttp_client: Any, settings: Settings, **more: Any) -> Client:
    client: Client = await aiohttp_client(create_app(Settings(**{**settings.model_dump(), **more})))
    return client


async def test_the_log_of_a_delivery(settings: Settings, aiohttp_client: Any, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        client = await opened(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url + "?token=s3cret", "a.png"))["task_id"]
        (waiting,) = (await api(client, f"tasks/{task_id}"))["webhooks"]
        assert (waiting["status"], waiting["type"], waiting["calls"]) == ("WAITING", None, [])
        assert waiting["actions"] == []
        await client.delete(f"/tasks/{task_id}")
        receiver.says = [web.Response(status=503, text="<b>no</b>")]
        await tell_due(chosen, store)
        document = await api(client, f"tasks/{task_id}")
        (hook,) = document["webhooks"]
        (call,) = hook["calls"]
        assert (call["outcome"], call["status"], call["worker"]) == ("http_error", 503, "press:1")
        assert call["ms"] > 0 and call["at"] and hook["due_at"]
        assert hook["error"] == "the receiver answered 503"
        assert hook["url"] == receiver.url + "?…"  # the receiver's secret stays its own
        assert "s3cret" not in str(document) and "<b>" not in str(document)

        await api(client, "webhooks/msg_nothing", 404)
        response = await client.post("/dashboard/api/webhooks/msg_nothing/redeliver")
        assert response.status == 404
        again = f"/dashboard/api/webhooks/{hook['id']}/redeliver"
        response = await client.post(again)
        assert response.status == 202 and (await response.json())["id"] == hook["id"]
        await tell_due(chosen, store)
        assert len(receiver.calls) == 2 and set(receiver.ids) == {hook["id"]}
        (hook,) = (await api(client, f"tasks/{task_id}"))["webhooks"]
        assert (hook["status"], hook["error"], len(hook["calls"])) == ("SENT", None, 2)
        assert hook["actions"] == ["redeliver"]
        assert (await api(client, "webhooks", status="SENT"))["webhooks"] == [hook]
        assert (await api(client, "webhooks", status="FAILED"))["webhooks"] == []
        await api(client, "webhooks", 422, status="LOST")
        # The public document of the task tells nobody who else is called.
        public = await (await client.get(f"/tasks/{task_id}")).json()
        assert "webhooks" not in public and str(receiver.port) not in str(public)


async def test_one_that_is_under_way_is_left_to_its_sender(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    client = await opened(aiohttp_client, settings)
    task_id = (await send(client, "https://example.org/", "a.png"))["task_id"]
    event = await the_event(store)
    response = await client.post(f"/dashboard/api/webhooks/{event.id}/redeliver")
    document = await response.json()
    assert (response.status, document["measured"]) == (409, Mailing.WAITING)
    assert document["allowed"] == ["SENT", "FAILED"]
    await client.delete(f"/tasks/{task_id}")
    assert await store.events.claim("t", 60)
    response = await client.post(f"/dashboard/api/webhooks/{event.id}/redeliver")
    assert response.status == 409


async def test_strangers_redeliver_nothing(settings: Settings, aiohttp_client: Any) -> None:
    client = await opened(aiohttp_client, settings)
    path = "/dashboard/api/webhooks/msg_x/redeliver"
    assert (await client.post(path, headers={"Origin": "https://evil.example"})).status == 403
    assert (await client.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    locked = await opened(aiohttp_client, settings, admin_token=TOKEN)
    assert (await locked.post(path)).status == 401
    assert (await locked.get("/dashboard/api/webhooks")).status == 401
    mine = {"Authorization": f"Bearer {TOKEN}"}
    assert (await locked.post(path, headers=mine)).status == 404
