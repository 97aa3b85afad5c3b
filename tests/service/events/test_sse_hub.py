"""Server-sent events of tasks and groups: content, order, reconnects, and the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import pytest

from models.settings import FIELDS, Settings
from models.store import Store
from service.app import create_app
from service.events.sse_hub import EVENT_HUB
from tests.conftest import working
from tests.support import images
from tests.support.paths import ROOT
from tests.support.sse_client import Event, Stream, listen
from tests.workers.queue.test_jobs import (
    send_to_halted_child,
    slow_picture,
    started_worker,
    wait_until,
)

Send = Callable[..., Awaitable[Any]]

ERROR = {"code": "bad_image", "detail": "broken"}


async def claim(store: Store, task_id: str) -> None:
    assert await store.leases.claim(task_id, worker="w", token="t", seconds=60, max_attempts=9)


def state(event: Event) -> tuple[str, int, int | None]:
    return event.data["status"], event.data["progress"], event.data["position"]


async def next_state(stream: Stream, last: Event) -> Event:
    """Return the next event of another state: ``last`` with another time left is one, too."""
    while (event := await stream.next()).id == last.id:
        pass
    return event


async def test_events_from_queued_to_ended(client: Any, send: Send, settings: Settings) -> None:
    task_id = (await (await send(slow_picture(480), "big.png")).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    first = await stream.next()
    assert (first.kind, state(first), first.data["eta_seconds"]) == (
        "task",
        ("CREATED", 0, 0),
        None,
    )
    polled = await (await client.get(f"/tasks/{task_id}")).json()
    assert {**polled, "position": 0, "eta_seconds": None} == first.data
    async with working(settings):
        *received, last, end = await stream.all()
    assert (end.kind, end.data, end.id) == ("end", {}, None)
    assert stream.response.content.at_eof()
    assert {event.kind for event in [*received, last]} == {"task"}
    assert (state(last), last.data["eta_seconds"]) == (("SUCCESS", 100, None), 0)
    shown = await (await client.get(f"/tasks/{task_id}")).json()
    assert {**shown, "position": None, "eta_seconds": 0} == last.data
    steps = [event.data["progress"] for event in received if event.data["status"] == "STARTED"]
    assert steps == sorted(steps)
    sent = [(event.id, event.data["eta_seconds"]) for event in [first, *received, last]]
    assert all(one != next_one for one, next_one in pairwise(sent))
    states = [event_id for event_id, _ in groupby(event_id for event_id, _ in sent)]
    assert len(set(states)) == len(states)  # the same state again only with another time left
    assert stream.retries == [2000]


async def test_each_step_of_progress_is_an_event(client: Any, send: Send, store: Store) -> None:
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    await stream.next()
    await claim(store, task_id)
    event = await stream.next()
    assert state(event) == ("STARTED", 0, None)
    for progress in (1, 50, 99):
        assert await store.leases.extend(task_id, "t", seconds=60, progress=progress)
        event = await next_state(stream, event)
        assert state(event) == ("STARTED", progress, None)
        assert event.data["eta_seconds"] >= 0  # in tenths: 0 just before the end
    stream.response.close()


async def test_headers(client: Any, send: Send) -> None:
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    assert stream.response.headers["Cache-Control"] == "no-store"
    assert stream.response.headers["X-Accel-Buffering"] == "no"
    assert stream.response.headers["X-Content-Type-Options"] == "nosniff"
    stream.response.close()


async def test_queue_position_counts_down(client: Any, send: Send, settings: Settings) -> None:
    count = 6
    ids = [
        (await (await send(images.png(seed=n), f"{n}.png")).json())["task_id"] for n in range(count)
    ]
    event_streams = [await listen(client, f"/tasks/{task_id}/events") for task_id in ids]
    for place, stream in enumerate(event_streams):
        assert state(await stream.next()) == ("CREATED", 0, place)
    async with working(settings):
        received = await asyncio.gather(*(stream.all() for stream in event_streams))
    for place, events in enumerate(received):
        places = [e.data["position"] for e in events if e.data.get("status") == "CREATED"]
        assert places == sorted(places, reverse=True)
        assert all(each is not None and each <= place for each in places)
        assert state(events[-2]) == ("SUCCESS", 100, None)


async def test_queue_position_of_the_only_task(client: Any, send: Send, store: Store) -> None:
    """The position changes when other tasks start, end or return to the queue."""
    ids = [(await (await send(images.png(seed=n), f"{n}.png")).json())["task_id"] for n in range(3)]
    stream = await listen(client, f"/tasks/{ids[2]}/events")
    assert state(await stream.next()) == ("CREATED", 0, 2)
    await claim(store, ids[0])
    assert state(await stream.next()) == ("CREATED", 0, 1)
    await client.delete(f"/tasks/{ids[1]}")
    assert state(await stream.next()) == ("CREATED", 0, 0)
    await store.leases.release(ids[0], "t", charge=False)  # returns to the front of the queue
    assert state(await stream.next()) == ("CREATED", 0, 1)
    stream.response.close()


async def test_eta_of_a_waiting_task(
    client: Any, send: Send, settings: Settings, worker: Any
) -> None:
    await started_worker(worker)
    await send(query="?wait=30")  # so that the ETA has a measured rate
    busy, _ = await send_to_halted_child(partial(send, images.png(seed=8)), worker)
    behind = (await (await send(images.png(seed=9), "b.png")).json())["task_id"]
    stream = await listen(client, f"/tasks/{behind}/events")
    first = await stream.next()
    assert first.data["status"] == "CREATED"
    assert 0 < first.data["eta_seconds"] < 600
    await client.delete(f"/tasks/{busy}")
    last = (await stream.all())[-2]
    assert (last.data["status"], last.data["eta_seconds"]) == ("SUCCESS", 0)


async def test_reconnect_does_not_repeat_events(client: Any, send: Send, store: Store) -> None:
    task_id = (await (await send()).json())["task_id"]
    path = f"/tasks/{task_id}/events"
    stream = await listen(client, path)
    first = await stream.next()
    stream.response.close()
    again = await listen(client, path, first.id)
    await claim(store, task_id)
    started = await again.next()
    assert state(started) == ("STARTED", 0, None)
    again.response.close()
    await store.leases.fail(task_id, "t", ERROR)
    received = await (await listen(client, path, started.id)).all()
    # An estimate that has changed is an event, too.
    last, end = [event for event in received if event.id != started.id]
    assert (last.kind, last.data["error"], end.kind) == ("task", ERROR, "end")
    ended = await client.get(path, headers={"Last-Event-ID": str(last.id)})
    assert (ended.status, await ended.read()) == (204, b"")
    for unknown in ("nonsense", "", "\xff" * 50):
        fresh = await (await listen(client, path, unknown)).all()
        assert [event.id for event in fresh] == [last.id, None]


async def test_event_ids_are_equal_in_every_service(
    client: Any, send: Send, settings: Settings, aiohttp_client: Any
) -> None:
    task_id = (await (await send()).json())["task_id"]
    other = await aiohttp_client(create_app(settings))
    tags = []
    for each in (client, other):
        stream = await listen(each, f"/tasks/{task_id}/events")
        tags.append((await stream.next()).id)
        stream.response.close()
    assert tags[0] == tags[1]


async def test_changes_are_sent_together(
    client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.events.sse_hub.MIN_INTERVAL_SECONDS", 1.0)
    form = images.form(images.png(), "a.png")
    task_id = (await (await client.post("/upscale", data=form)).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    await stream.next()
    await claim(store, task_id)
    for progress in range(1, 100):
        await store.leases.extend(task_id, "t", seconds=60, progress=progress)
    await store.leases.fail(task_id, "t", ERROR)
    received = await stream.all()
    assert len(received) < 20
    assert state(received[-2])[0] == "FAILURE"


async def test_second_name_of_the_same_bytes(client: Any, send: Send) -> None:
    task_id = (await (await send()).json())["task_id"]
    await send(name="dog.png")
    for query, name in (("?name=dog.png", "dog.png"), ("", "cat.png"), ("?name=no", "cat.png")):
        stream = await listen(client, f"/tasks/{task_id}/events{query}")
        assert (await stream.next()).data["name"] == name
        stream.response.close()


async def test_keep_alives(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.handlers.events._KEEPALIVE_SECONDS", 0.05)
    form = images.form(images.png(), "a.png")
    task_id = (await (await client.post("/upscale", data=form)).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    reading = asyncio.create_task(stream.all())
    await wait_until(lambda: len(stream.comments) >= 3)
    reading.cancel()
    stream.response.close()
    # Nothing happens; after half a second the stream closes and the browser reconnects.
    monkeypatch.setattr("service.handlers.events._POLLS", 0.5 / 60)
    stream = await listen(client, f"/tasks/{task_id}/events")
    assert [event.kind for event in await stream.all()] == ["task"]


async def test_a_group(client: Any, settings: Settings) -> None:
    form = images.form(images.png(seed=1), "a.png")
    for name, data in (("b.png", images.png(seed=2)), ("c.png", b"no picture")):
        form.add_field("image", data, filename=name)
    group = await (await client.post("/upscale", data=form)).json()
    path = f"/status/{group['group_id']}"
    stream = await listen(client, f"{path}/events")
    first = await stream.next()
    assert first.kind == "group"
    assert first.data == {**(await (await client.get(path)).json()), "position": 0}
    async with working(settings):
        *received, last, end = await stream.all()
    assert end.kind == "end"
    shown = await (await client.get(path)).json()
    assert last.data == {**shown, "position": None, "eta_seconds": 0}
    assert (last.data["done"], last.data["failed"]) == (3, 1)
    done = [event.data["done"] for event in [first, *received, last]]
    assert done == sorted(done)
    ended = await client.get(f"{path}/events", headers={"Last-Event-ID": str(last.id)})
    assert ended.status == 204


async def test_a_task_is_a_group_of_one_and_a_refused_group_has_ended(
    client: Any, send: Send
) -> None:
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/status/{task_id}/events")
    event = await stream.next()
    assert (event.kind, event.data["group_id"], event.data["position"]) == ("group", task_id, 0)
    stream.response.close()


async def test_legacy_status_of_started(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    client = await aiohttp_client(create_app(settings.replace(legacy_status=True)))
    form = images.form(images.png(), "a.png")
    task_id = (await (await client.post("/upscale", data=form)).json())["task_id"]
    await claim(store, task_id)
    for path in (f"/tasks/{task_id}/events", f"/status/{task_id}/events"):
        stream = await listen(client, path)
        assert (await stream.next()).data["status"] == "PENDING"
        stream.response.close()


async def test_unknown_and_malformed_ids(client: Any, send: Send) -> None:
    for path in ("/tasks/nope/events", "/status/nope/events", "/tasks/%24ne/events"):
        response = await client.get(path)
        assert (response.status, response.content_type) == (404, "application/problem+json")
        assert (await response.json())["code"] == "not_found"
    task_id = (await (await send()).json())["task_id"]
    assert (await client.get(f"/tasks/{task_id}/events?wait=3")).status == 422
    assert (await client.get(f"/status/{task_id}/events?name=a")).status == 422
    assert (await client.head(f"/tasks/{task_id}/events")).status == 405
    assert not client.app[EVENT_HUB]._topics
    assert not client.app[EVENT_HUB]._stream_slots.total


def test_the_page_names_settings_that_exist() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    names = set(re.findall(r"`((?:EVENTS|PROGRESS)_[A-Z_]+)`", page))
    assert names == {name.upper() for name in FIELDS if name.startswith(("events_", "progress_"))}
