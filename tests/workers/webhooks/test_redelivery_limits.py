"""What is told again of a task begun anew: bounded, and counted however often that happens."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from tests.conftest import Client, working
from tests.support import images
from tests.support.webhook_receiver import calling, receiving, tell_due
from tests.workers.webhooks.test_end_to_end import opened, told

ANN, MALLORY = ({"X-Forwarded-For": f"192.0.2.{n}"} for n in (1, 2))


async def ask(client: Client, url: str, whose: dict[str, str] = ANN) -> Any:
    form = images.form(images.png(), "a.png", callback_url=url)
    return await (await client.post("/grayscale", data=form, headers=whose)).json()


async def gather(client: Client, task_id: str, url: str) -> Any:
    asked = {"tasks": [task_id], "callback_url": url}
    return await (await client.post("/groups", json=asked, headers=ANN)).json()


async def told_again(client: Client, task_id: str, settings: Settings, store: Store) -> list[int]:
    """End the task and begin it anew four times; return how many events went out each time."""
    counts = []
    for _ in range(4):
        assert (await client.delete(f"/tasks/{task_id}", headers=MALLORY)).status == 200
        counts.append(await tell_due(settings, store))
        assert (await client.post(f"/tasks/{task_id}/retry", headers=MALLORY)).status == 202
    return counts


@pytest.mark.parametrize("about", ["task", "group"])
async def test_whoever_begins_a_task_anew_has_no_more_told_than_their_client_may(
    about: str, settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhooks_per_client=4, proxies=1)
        client = await opened(aiohttp_client, chosen)
        task_id = (await ask(client, ""))["task_id"]
        for number in range(3):
            url = f"{receiver.url}?n={number}"
            await (ask(client, url) if about == "task" else gather(client, task_id, url))
        assert await told_again(client, task_id, chosen, store) == [3, 3, 1, 0]
        assert len(receiver.calls) == 7
        # What strangers begin anew takes nothing from what Ann may ask for herself.
        assert "task_id" in await ask(client, f"{receiver.url}?n=3")
        assert (await ask(client, f"{receiver.url}?n=4"))["setting"] == "WEBHOOKS_PER_CLIENT"


@pytest.mark.parametrize("about", ["task", "group"])
async def test_no_more_are_told_of_one_task_than_may_be_told_again(
    about: str, settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhooks_per_task=2, proxies=1)
        client = await opened(aiohttp_client, chosen)
        task_id = (await ask(client, ""))["task_id"]

        async def tell(number: int) -> Any:
            url = f"{receiver.url}?n={number}"
            return await (ask(client, url) if about == "task" else gather(client, task_id, url))

        async def refused() -> None:
            answer = await tell(2)
            facts = [answer.get(name) for name in ("code", "setting", "limit", "measured")]
            assert facts == ["bad_callback", "WEBHOOKS_PER_TASK", 2, 2]

        for number in (0, 1, 1, 0):
            assert "code" not in await tell(number)
        await refused()
        assert (await client.get(f"/tasks/{task_id}")).status == 200
        assert "code" not in await ask(client, f"{receiver.url}?n=2", MALLORY)  # her own bound
        assert (await client.delete(f"/tasks/{task_id}")).status == 200
        assert await tell_due(chosen, store) == 3
        await refused()
        if about == "group":  # the task that was sent again has begun anew by that
            assert (await client.post(f"/tasks/{task_id}/retry")).status == 202
        async with working(chosen):
            await told(receiver, 6)
            assert "code" not in await tell(2)  # it has succeeded: nothing is told again
            assert "code" not in await tell(3)
            await told(receiver, 8)
