"""Deliveries: tried again with pauses, given up, under leases, none in another's way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from models.metrics import snapshot
from models.metrics.definitions import WEBHOOK_TIMES, WEBHOOKS
from models.outbox import webhook as drafts
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from tests.support.smtp import fail_task, unfinished_task, until
from tests.support.webhook_receiver import (
    a_teller,
    a_worker,
    calling,
    change_events,
    events,
    outcomes,
    receiving,
    tell_due,
    the_event,
)
from workers.webhooks import sender
from workers.webhooks.delivery import tell


async def put(store: Store, url: str, *, client: str = "c", ended: bool = True) -> str:
    """Have the end of a new task told to ``url``; return the task's id."""
    task_id = await unfinished_task(store, "cat.png")
    if ended:
        await fail_task(store, task_id, "broken")
    task = await store.tasks.get(task_id)
    assert task is not None
    await store.events.put(drafts.of_task(task, "cat.png", url, client))
    return task_id


async def due(store: Store) -> None:
    await change_events(store, {"due_at": datetime(2020, 1, 1, tzinfo=UTC)})


async def test_trouble_is_tried_again_under_the_same_id_with_the_same_words(
    settings: Settings, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        task_id = await put(store, receiver.url)
        receiver.says = [
            web.Response(status=500),
            web.Response(status=404),
            web.Response(status=302),
        ]
        for _ in range(4):
            await tell_due(chosen, store)
            await due(store)
            await store.tasks.revive(task_id)  # whatever becomes of the task meanwhile
        event = await the_event(store)
        assert (event.status, event.troubles, event.error) == (Mailing.SENT, 3, None)
        assert outcomes(event) == ["http_error", "http_error", "redirect", "delivered"]
        assert [each.status for each in event.log] == [500, 404, 302, 200]
        assert len(set(receiver.ids)) == 1
        assert len({body for _, body in receiver.calls}) == 1


async def test_pauses_grow_and_a_receiver_may_ask_for_more(
    settings: Settings, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhook_retry=10, webhook_retry_after=500)
        await put(store, receiver.url)
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
        asked = [None, None, "120", date, "99999999", "soon", "-5", "nan"]
        pauses = []
        for retry_after in asked:
            headers = {"Retry-After": retry_after} if retry_after else {}
            receiver.says = [web.Response(status=429, headers=headers)]
            await due(store)
            await tell_due(chosen, store)
            document = await store.events._parcels.find_one()
            assert document is not None and document["status"] == Mailing.CREATED
            pauses.append((document["due_at"] - document["claimed_at"]).total_seconds())
        assert 8 <= pauses[0] <= 42 and 16 <= pauses[1] <= 54  # the slack is a slow machine's
        assert 120 <= pauses[2] <= 160
        assert 200 <= pauses[3] <= 340
        assert 500 <= pauses[4] <= 540  # WEBHOOK_RETRY_AFTER
        assert all(pause >= 256 for pause in pauses[5:])  # doubled five times and more


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (web.Response(status=410), "gone", Mailing.FAILED),
        (None, "refused_address", Mailing.FAILED),
    ],
)
async def test_what_is_final_is_not_tried_again(
    answer: web.Response | None, outcome: str, status: Mailing, settings: Settings, store: Store
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        url = receiver.url
        if answer is None:
            chosen = calling(settings, receiver, webhook_allowed="")
            url = url.replace("127.0.0.1", "localhost")
        else:
            receiver.says = [answer]
        await put(store, url)
        await tell_due(chosen, store)
        event = await the_event(store)
        if answer is None:  # judged before it is called, as settings stand now
            outcome = "bad_callback"
        assert (event.status, outcomes(event)) == (status, [outcome])
        assert event.error
        assert len(receiver.calls) == (answer is not None)


async def test_it_is_given_up_after_a_while(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhook_give_up=100)
        await put(store, receiver.url)
        receiver.says = [web.Response(status=500), web.Response(status=500)]
        await tell_due(chosen, store)
        long_ago = datetime.now(UTC) - timedelta(seconds=1000)
        await change_events(store, {"troubled_at": long_ago})
        await due(store)
        await tell_due(chosen, store)
        event = await the_event(store)
        assert (event.status, len(event.log)) == (Mailing.FAILED, 2)
        assert event.error == "the receiver answered 500 (given up, see WEBHOOK_GIVE_UP)"
        document = await store.events._parcels.find_one()
        assert document is not None
        kept = document["expires_at"] - document["ended_at"]
        assert kept.total_seconds() == chosen.webhook_keep


async def test_a_dead_sender_s_event_is_told_by_another(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        await put(store, receiver.url)
        held = await store.events.claim("dead", 0)
        assert held is not None and await store.events.begin(held)
        await tell_due(chosen, store)
        event = await the_event(store)
        assert (event.status, event.faults, event.attempts) == (Mailing.SENT, 1, 2)
        assert not await store.events.fail(held, "late", 60)
        assert receiver.ids == [event.id]


async def test_one_that_kills_its_senders_is_given_up(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        await put(store, receiver.url)
        for number in range(chosen.webhook_attempts):
            held = await store.events.claim(f"dead{number}", 0)
            assert held is not None and await store.events.begin(held)
        await tell_due(chosen, store)
        event = await the_event(store)
        assert (event.status, receiver.calls) == (Mailing.FAILED, [])
        assert "WEBHOOK_ATTEMPTS" in str(event.error)


async def test_who_is_stopped_hands_back(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        receiver.hold = asyncio.Event()
        await put(store, receiver.url)
        async with a_teller(calling(settings, receiver), store) as teller:
            event = await store.events.claim("t", 60)
            assert event is not None
            telling = asyncio.create_task(tell(teller, event))
            await asyncio.wait_for(receiver.came.wait(), 30)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        event = await the_event(store)
        assert (event.status, event.lease, event.faults) == (Mailing.CREATED, None, 0)
        receiver.hold.set()
        assert await tell_due(calling(settings, receiver), store) == 1
        assert len(set(receiver.ids)) == 1


async def sending(settings: Settings, store: Store) -> asyncio.Task[None]:
    return asyncio.create_task(sender.send(a_worker(settings, store)))


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_slow_host_holds_up_nobody_else(settings: Settings, store: Store) -> None:
    """At most WEBHOOK_PER_HOST calls wait for it; the others' are told meanwhile."""
    async with receiving() as slow, receiving(host="127.0.0.2") as quick:
        slow.hold = asyncio.Event()
        chosen = calling(
            settings, slow, quick, webhook_per_host=2, webhook_senders=5, webhook_timeout=60
        )
        for _ in range(8):
            await put(store, slow.url)
        for _ in range(6):
            await put(store, quick.url.replace("127.0.0.1", "127.0.0.2"))
        running = await sending(chosen, store)

        async def told() -> bool:
            return len(quick.calls) == 6 and slow.now == 2

        await until(told, 60)
        assert slow.most == 2
        slow.hold.set()

        async def all_told() -> bool:
            return {e.status for e in await events(store)} == {Mailing.SENT}

        await until(all_told, 60)
        assert (slow.most, len(slow.calls)) == (2, 8)
        await ended(running)


async def test_one_client_with_many_slow_hosts_holds_up_nobody_else(
    settings: Settings, store: Store
) -> None:
    async with receiving(host="0.0.0.0") as slow, receiving(host="127.0.0.1") as quick:
        slow.hold = asyncio.Event()
        chosen = calling(
            settings, slow, quick, webhook_per_party=3, webhook_senders=4, webhook_timeout=60
        )
        for number in range(8):
            await put(store, f"http://127.0.1.{number + 1}:{slow.port}/", client="mallory")
        await put(store, quick.url, client="ann")
        running = await sending(chosen, store)

        async def told() -> bool:
            return len(quick.calls) == 1 and slow.now == 3

        await until(told, 60)
        assert slow.most == 3
        await ended(running)


async def test_who_ends_a_task_may_die_before_it_says_so(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        task_id = await put(store, receiver.url, ended=False)
        assert await store.awaited.look(0) == 0
        assert (await the_event(store)).status is Mailing.WAITING
        await fail_task(store, task_id, "broken")  # nobody settles it
        assert await store.awaited.look(60) == 0  # it was looked at lately
        assert await store.awaited.look(0) == 1
        assert await store.awaited.look(0) == 0
        assert await tell_due(chosen, store) == 1


async def test_a_lost_place_is_nobodys_event(settings: Settings, store: Store) -> None:
    """A task that is no longer in the ledger: said so, not tried for ever."""
    task_id = await put(store, "http://127.0.0.1/", ended=False)
    await store.tasks._tasks.delete_one({"_id": task_id})
    assert await store.awaited.look(0) == 1
    await tell_due(calling(settings), store)
    event = await the_event(store)
    assert (event.status, event.error) == (Mailing.FAILED, "the task is no longer kept")


async def test_redelivered_at_once_under_its_id(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhook_retry=1000)
        await put(store, receiver.url)
        waiting = await the_event(store)
        assert await store.events.redeliver(waiting.id) == (False, waiting)  # not made yet
        receiver.says = [web.Response(status=500)]
        await tell_due(chosen, store)
        for count in (2, 3):  # one that waits to be tried again, and one that was delivered
            assert (await store.events.redeliver(waiting.id))[0]
            assert await tell_due(chosen, store) == 1
            assert len(receiver.calls) == count
        event = await the_event(store)
        assert (event.status, len(event.log)) == (Mailing.SENT, 3)
        assert set(receiver.ids) == {event.id}
        held = await store.events.redeliver(event.id)
        assert held[0] and await store.events.claim("t", 60)
        assert not (await store.events.redeliver(event.id))[0]  # it is being sent just now
        assert await store.events.redeliver("msg_nothing") == (False, None)


async def test_the_log_and_the_answers_are_bounded(settings: Settings, store: Store) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhook_log=3)
        small = await Store.open(chosen)
        try:
            await put(small, receiver.url)
            for status in (500, 501, 502, 503, 504):
                receiver.says = [web.Response(status=status, text="<script>secret</script>")]
                await due(small)
                await tell_due(chosen, small)
        finally:
            small.close()
        document: Any = await store.events._parcels.find_one()
        assert [each["status"] for each in document["log"]] == [502, 503, 504]
        assert "secret" not in str(document)


async def test_calls_are_counted(settings: Settings, store: Store) -> None:
    async with receiving() as receiver, a_teller(calling(settings, receiver), store) as teller:
        receiver.says = [web.Response(status=500)]
        for _ in range(2):
            await put(store, receiver.url)
            event = await store.events.claim("t", 60)
            assert event is not None
            await tell(teller, event)
        seen = snapshot.read(teller.worker.instruments)
        assert {k: v for k, v in seen[WEBHOOKS].items() if v} == {
            ("http_error",): 1,
            ("delivered",): 1,
        }
        taken = seen[WEBHOOK_TIMES][()]
        assert isinstance(taken, snapshot.Buckets) and taken.counts[-1] == 2


async def test_how_late_it_is(settings: Settings, store: Store) -> None:
    assert await store.events.late() == (0, 0.0)
    await put(store, "http://127.0.0.1/")
    await put(store, "http://127.0.0.1/", ended=False)
    await change_events(store, {"due_at": datetime.now(UTC) - timedelta(seconds=1000)})
    count, age = await store.events.late()
    assert count == 1 and age >= 990
    await change_events(store, {"due_at": datetime.now(UTC) + timedelta(seconds=1000)})
    assert await store.events.late() == (1, 0.0)  # to be tried again, and not late


async def test_nobody_waits_in_vain_for_ever(settings: Settings, store: Store) -> None:
    """Asked again before a task begins anew which then does not: the ledger forgets it."""
    task_id = await put(store, "http://127.0.0.1:1/", ended=True)
    async with receiving() as receiver:
        await tell_due(calling(settings, receiver, webhook_ports="1", webhook_give_up=0.001), store)
    await store.events.again(task_id)
    _, copy = await events(store)
    assert (copy.status, copy.after is not None) == (Mailing.WAITING, True)
    document: Any = await store.events._parcels.find_one({"_id": copy.id})
    assert document["expires_at"] > datetime.now(UTC)
    assert await store.awaited.look(0) == 0
    after: Any = await store.events._parcels.find_one({"_id": copy.id})
    assert after["expires_at"] == document["expires_at"]
