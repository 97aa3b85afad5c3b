"""Results that were fetched lately are served from memory, also while MongoDB is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from models.store import Store
from service import recent_results
from service.app_keys import STORE
from service.recent_results import RECENT_RESULTS, RecentResults
from tests.support import images
from tests.support.task_factory import finish

Send = Callable[..., Awaitable[Any]]


async def _finished(send: Send, store: Store, seed: int) -> tuple[str, bytes]:
    data = images.png(seed=seed)
    body = await (await send(data, f"{seed}.png")).json()
    await finish(store, body["task_id"], data)
    return f"/processed/{seed}-upscale-x2.png", data


def _cut_off(client: Any) -> None:
    """Let MongoDB be away; no ping that a slow call began before says otherwise."""
    client.app[STORE].availability.close()
    client.app[STORE].availability.away = True


async def test_a_result_is_served_during_an_outage(client: Any, send: Send, store: Store) -> None:
    url, data = await _finished(send, store, 1)
    other, _ = await _finished(send, store, 2)
    before = await client.get(url)
    assert await before.read() == data
    assert (await client.head(other)).status == 200
    _cut_off(client)
    during = await client.get(url)
    assert (during.status, await during.read()) == (200, data)
    for name in ("ETag", "Last-Modified", "Cache-Control", "Content-Type", "Content-Disposition"):
        assert during.headers[name] == before.headers[name]
    part = await client.get(url, headers={"Range": "bytes=5-9"})
    assert (part.status, await part.read()) == (206, data[5:10])
    known = await client.get(url, headers={"If-None-Match": before.headers["ETag"]})
    assert known.status == 304
    for refused in (other, "/processed/1.png", f"{url}?owner=0123456789abcdef"):
        response = await client.get(refused)
        assert response.status in {404, 503}, refused
    assert (await client.get(other)).headers["Retry-After"] == "2"


async def test_a_deleted_result_is_not_served(client: Any, send: Send, store: Store) -> None:
    url, _ = await _finished(send, store, 1)
    second, _ = await _finished(send, store, 2)
    for each in (url, second):
        await (await client.get(each)).read()
    assert (await client.delete(url)).status == 204
    await store.retention.delete_name(
        (await (await send(images.png(seed=2), "2.png")).json())["task_id"],
        second.rpartition("/")[2],
        0,
    )
    assert (await client.get(second)).status == 404  # deleted elsewhere: this service noticed now
    _cut_off(client)
    for each in (url, second):
        assert (await client.get(each)).status == 503


async def test_a_confirmed_result_is_served_without_mongodb(
    client: Any, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, data = await _finished(send, store, 1)
    name = url.rpartition("/")[2]
    monkeypatch.setattr(recent_results, "TRUST_SECONDS", 1000)
    first = await client.get(url)
    await first.read()
    kept = client.app[RECENT_RESULTS].get(name)
    asked = []
    for part, method in (
        (client.app[STORE].result_names, "find"),
        (client.app[STORE].results, "read"),
    ):
        monkeypatch.setattr(part, method, lambda *_: asked.append("MongoDB"))
    again = await client.get(url)
    assert await again.read() == data and asked == []
    shown = set(first.headers) - {"Date", "X-Request-ID"}
    assert {each: again.headers[each] for each in shown} == {
        each: first.headers[each] for each in shown
    }
    head = await client.head(url)
    assert (head.headers["Content-Length"], await head.read()) == (str(len(data)), b"")
    part = await client.get(url, headers={"Range": "bytes=5-9"})
    assert (part.status, await part.read()) == (206, data[5:10])
    kept.confirmed -= 1000
    assert (await client.get(url)).status == 500 and asked == [
        "MongoDB"
    ]  # what it asked is no store


async def test_a_result_is_confirmed_again_without_its_bytes(
    client: Any, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, data = await _finished(send, store, 1)
    await (await client.get(url)).read()
    kept = client.app[RECENT_RESULTS].get(url.rpartition("/")[2])
    before = kept.confirmed
    monkeypatch.setattr(client.app[STORE].results, "read", None)
    assert await (await client.get(url)).read() == data
    assert kept.confirmed > before


async def test_a_result_deleted_while_it_is_read_is_not_kept() -> None:
    kept, result = RecentResults(), type("Result", (), {"bytes": 2})

    async def chunks() -> AsyncGenerator[bytes]:
        yield b"1"
        kept.forget("a")
        yield b"2"

    task: Any = None
    assert [each async for each in kept.keep("a", task, result, chunks())] == [b"1", b"2"]  # type: ignore[arg-type]
    assert kept.get("a") is None


async def test_a_result_deleted_before_its_first_byte_is_not_kept() -> None:
    """Sending the head of the answer takes a while, too."""
    kept, result = RecentResults(), type("Result", (), {"bytes": 1})

    async def chunks() -> AsyncGenerator[bytes]:
        yield b"1"

    task: Any = None
    sending = kept.keep("a", task, result, chunks())  # type: ignore[arg-type]
    kept.forget("a")
    assert [each async for each in sending] == [b"1"]
    assert kept.get("a") is None


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_results, "_MAX_TOTAL_BYTES", 25)
    monkeypatch.setattr(recent_results, "MAX_RESULT_BYTES", 10)
    kept = RecentResults()

    async def chunks(*parts: bytes) -> AsyncGenerator[bytes]:
        for part in parts:
            yield part

    async def keep(name: str, expected: int, *parts: bytes) -> None:
        result: Any = type("Result", (), {"bytes": expected})
        task: Any = None
        assert [each async for each in kept.keep(name, task, result, chunks(*parts))] == [*parts]

    for name in ("a", "b", "b", "c"):
        await keep(name, 10, b"12345", b"67890")
    assert [name for name in "abc" if kept.get(name)] == ["b", "c"]
    await keep("large", 11, b"12345678901")
    await keep("cut short", 9, b"12345")
    assert kept.get("large") is None and kept.get("cut short") is None
    monkeypatch.setattr(recent_results, "_MAX_RESULTS", 3)
    for name in "defg":
        await keep(name, 1, b"1")
    assert [name for name in "bcdefg" if kept.get(name)] == ["e", "f", "g"]


async def test_after_a_poll_only_the_bytes_are_read(
    client: Any, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = images.png(seed=1)
    task_id = (await (await send(data, "1.png")).json())["task_id"]
    await finish(store, task_id, data)
    monkeypatch.setattr(recent_results, "TRUST_SECONDS", 1000)
    body = await (await client.get(f"/tasks/{task_id}?wait=5")).json()
    asked, names = [], client.app[STORE].result_names
    find = names.find

    async def counted(*given: Any) -> Any:
        asked.append(given)
        return await find(*given)

    monkeypatch.setattr(names, "find", counted)
    read_at = client.app[RECENT_RESULTS].get(body["url"].rpartition("/")[2]).confirmed
    response = await client.get(body["url"])
    assert (await response.read(), asked) == (data, [])
    kept = client.app[RECENT_RESULTS].get(body["url"].rpartition("/")[2])
    assert (kept.data, kept.confirmed) == (data, read_at)  # no younger than what was read
    kept.confirmed -= 1000
    assert (await client.get(body["url"])).status == 200 and len(asked) == 1
    await client.get(f"/tasks/{task_id}")
    assert (await client.delete(body["url"])).status == 204
    assert (await client.get(body["url"])).status == 404


async def test_what_is_only_noted_is_not_served_during_an_outage(
    client: Any, send: Send, store: Store
) -> None:
    url, _ = await _finished(send, store, 1)
    task_id = (await (await send(images.png(seed=1), "1.png")).json())["task_id"]
    await client.get(f"/tasks/{task_id}")
    client.app[RECENT_RESULTS].get(url.rpartition("/")[2]).confirmed -= 1000
    _cut_off(client)
    assert (await client.get(url)).status == 503


async def test_a_result_deleted_while_its_task_was_read_is_not_noted(
    send: Send, store: Store
) -> None:
    url, _ = await _finished(send, store, 1)
    name = url.rpartition("/")[2]
    found = await store.result_names.find(name)
    assert found is not None
    task = await store.tasks.get(found[0])
    assert task is not None
    recent = RecentResults()
    before = recent.forgotten
    recent.forget(name)
    recent.note(task, None, before)
    assert recent.get(name) is None
    recent.note(task.model_copy(update={"owner": "0123456789abcdef"}), None, recent.forgotten)
    assert recent.get(name) is None
    recent.note(task, None, recent.forgotten)
    assert recent.get(name) is not None
