"""Limits on the webhooks of restarted tasks, however often they are restarted."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from tests.conftest import Client, working
from tests.support import images
from tests.support.webhook_receiver import deliver_due, run_receiver, webhook_settings
from tests.workers.webhooks.test_end_to_end import open_client, wait_for_calls

ANN, MALLORY = ({"X-Forwarded-For": f"192.0.2.{n}"} for n in (1, 2))


async def submit(client: Client, url: str, whose: dict[str, str] = ANN) -> Any:
    form = images.form(images.png(), "a.png", callback_url=url)
    return await (await client.post("/grayscale", data=form, headers=whose)).json()


async def create_group(client: Client, task_id: str, url: str) -> Any:
    request = {"tasks": [task_id], "callback_url": url}
    return await (await client.post("/groups", json=request, headers=ANN)).json()


async def counts_after_restarts(
    client: Client, task_id: str, settings: Settings, store: Store
) -> list[int]:
    """End and restart the task four times; return how many webhooks were sent each time."""
    counts = []
    for _ in range(4):
        assert (await client.delete(f"/tasks/{task_id}", headers=MALLORY)).status == 200
        counts.append(await deliver_due(settings, store))
        assert (await client.post(f"/tasks/{task_id}/retry", headers=MALLORY)).status == 202
    return counts


@pytest.mark.parametrize("about", ["task", "group"])
async def test_restarts_are_limited_per_client(
    about: str, settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver, webhooks_per_client=4, proxies=1)
        client = await open_client(aiohttp_client, chosen)
        task_id = (await submit(client, ""))["task_id"]
        for number in range(3):
            url = f"{receiver.url}?n={number}"
            await (submit(client, url) if about == "task" else create_group(client, task_id, url))
        assert await counts_after_restarts(client, task_id, chosen, store) == [3, 3, 1, 0]
        assert len(receiver.calls) == 7
        # Restarts by others do not use up Ann's own limit.
        assert "task_id" in await submit(client, f"{receiver.url}?n=3")
        assert (await submit(client, f"{receiver.url}?n=4"))["setting"] == "WEBHOOKS_PER_CLIENT"


@pytest.mark.parametrize("about", ["task", "group"])
async def test_webhooks_per_task_are_limited(
    about: str,
    settings: Settings,
    aiohttp_client: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.outbox.webhook.MAX_CALLBACKS", 2)
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver, proxies=1)
        client = await open_client(aiohttp_client, chosen)
        task_id = (await submit(client, ""))["task_id"]

        async def request_webhook(number: int) -> Any:
            url = f"{receiver.url}?n={number}"
            return await (
                submit(client, url) if about == "task" else create_group(client, task_id, url)
            )

        async def refused() -> None:
            answer = await request_webhook(2)
            facts = [answer.get(name) for name in ("code", "limit", "measured")]
            assert facts == ["bad_callback", 2, 2]

        for number in (0, 1, 1, 0):
            assert "code" not in await request_webhook(number)
        await refused()
        assert (await client.get(f"/tasks/{task_id}")).status == 200
        assert "code" not in await submit(client, f"{receiver.url}?n=2", MALLORY)  # her own limit
        assert (await client.delete(f"/tasks/{task_id}")).status == 200
        assert await deliver_due(chosen, store) == 3
        await refused()
        if about == "group":  # re-uploading the task has restarted it already
            assert (await client.post(f"/tasks/{task_id}/retry")).status == 202
        async with working(chosen):
            await wait_for_calls(receiver, 6)
            assert "code" not in await request_webhook(2)  # it has succeeded: no restart, no limit
            assert "code" not in await request_webhook(3)
            await wait_for_calls(receiver, 8)
