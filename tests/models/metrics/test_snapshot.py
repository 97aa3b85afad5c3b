"""Snapshots of workers: sound or refused; scrapes at once; what waits, as the ledger has it."""

from __future__ import annotations

import asyncio
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from models.metrics import snapshot
from models.metrics.definitions import ATTEMPTS, LAG, MONGODB, WAIT, WORKERS
from models.metrics.instruments import Instruments
from models.metrics.metric import Source
from models.metrics.prometheus_text import Part, exposition
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.tasks.task import Upload
from service.app import create_app
from service.app_keys import SCRAPE
from service.metrics_collector import Scrape
from tests.conftest import Client, working
from tests.models.store.test_leases import TASK, claimed, created
from tests.support.prometheus_text import Scraped
from tests.workers.queue.test_jobs import ready, slow_picture, until


def instruments() -> Instruments:
    made = Instruments(Source.WORKER)
    made.count(ATTEMPTS, "success")
    made.observe(WAIT, 0.02)
    made.observe(WAIT, 9000)
    made.observe(MONGODB, 0.5, "find", "ok")
    made.observe(MONGODB, 0.5, "a command nobody knows", "ok")
    return made


def shown(*parts: Part) -> Scraped:
    return Scraped(exposition(parts).decode())


def test_what_is_packed_is_unpacked() -> None:
    given_ = snapshot.read(instruments())
    written = snapshot.pack(given_)
    assert snapshot.unpack(written) == (given_, 0)
    assert len(written) < 4000
    seen = shown(Part("host:1", given_), Part("host:2", given_))
    assert seen.sum("darkroom_attempts_total", outcome="success") == 2
    wait = seen.of("darkroom_task_wait_seconds_bucket", worker="host:1")
    assert [s.value for s in wait if s.labels["le"] in {"0.01", "0.025", "300.0", "+Inf"}] == [
        *(0, 1, 1, 2)
    ]
    assert seen.sum("darkroom_mongodb_command_duration_seconds_count", command="other") == 2


def test_gauges_are_left_out_where_asked() -> None:
    assert snapshot.read(instruments(), gauges=False).keys() < snapshot.read(instruments()).keys()


def packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


NAME, HISTOGRAM = ATTEMPTS.name, LAG.name
COUNTS = [0] * (len(LAG.buckets) + 1)


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({}, 0),
        ({"darkroom_of_tomorrow_total": [[[], 1]]}, 0),
        ({WORKERS.name: [[[], 77]]}, 0),  # not a worker's to say
        ([], 1),
        (None, 1),
        ({NAME: None}, 1),
        ({NAME: [1]}, 1),
        ({NAME: [[["success"]]]}, 1),
        ({NAME: [[["success", "more"], 1]]}, 1),
        ({NAME: [[[7], 1]]}, 1),
        ({NAME: [["success", 1]]}, 1),
        ({NAME: [[["\ud800"], 1]]}, 1),
        ({NAME: [[["a\nb"], 1]]}, 1),
        ({NAME: [[["x" * 101], 1]]}, 1),
        ({NAME: [[["success"], -1]]}, 1),
        ({NAME: [[["success"], True]]}, 1),
        ({NAME: [[["success"], "1"]]}, 1),
        ({NAME: [[["success"], float("nan")]]}, 1),
        ({NAME: [[["success"], float("inf")]]}, 1),
        ({NAME: [[["success"], 10**400]]}, 1),
        ({NAME: [[["success"], 1]] * 1001}, 1),
        ({NAME: [[["success"], {}]], HISTOGRAM: [[[], 5]]}, 2),
        ({HISTOGRAM: [[[], [COUNTS[1:], 0]]]}, 1),
        ({HISTOGRAM: [[[], [[*COUNTS[1:], -1], 0]]]}, 1),
        ({HISTOGRAM: [[[], [[3, *COUNTS[1:]], 0]]]}, 1),
        ({HISTOGRAM: [[[], [COUNTS, None]]]}, 1),
    ],
)
def test_odd_snapshots_are_refused_part_by_part(document: Any, refused: int) -> None:
    assert snapshot.unpack(packed(document)) == ({}, refused)


@pytest.mark.parametrize(
    "stored",
    [
        *(None, 7, "text", b"", b"rubbish", packed({})[:-3]),
        zlib.compress(b"[" * 100_000),
        zlib.compress(bytes(10 * snapshot.MOST_BYTES)),
        zlib.compress(b"\xff{}"),
    ],
    ids=range(9),
)
def test_what_is_no_snapshot_is_refused(stored: object) -> None:
    assert snapshot.unpack(stored) == ({}, 1)


def test_a_label_nobody_knows_becomes_other() -> None:
    found, refused = snapshot.unpack(packed({NAME: [[["success"], 1], [["of tomorrow"], 2]]}))
    assert (found, refused) == ({ATTEMPTS: {("success",): 1, ("other",): 2}}, 0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
_NAMES = st.sampled_from([NAME, HISTOGRAM, MONGODB.name]) | st.text()


@given(st.dictionaries(_NAMES, _JSON | st.lists(st.tuples(st.lists(st.text()), _JSON))))
def test_no_document_breaks_the_exposition(document: Any) -> None:
    found, _ = snapshot.unpack(packed(document))
    list(text_string_to_metric_families(exposition([Part('odd"\\\n', found)]).decode()))


async def test_odd_entries_of_the_ledger_do_not_break_a_scrape(
    client: Client, store: Store
) -> None:
    snapshots = store._database["snapshots"]
    now = datetime.now(UTC)
    good = snapshot.pack(snapshot.read(instruments()))
    odd: list[dict[str, Any]] = [
        {"_id": "no figures", "at": now},
        {"_id": "text", "at": now, "figures": "x"},
        {"_id": "no date", "at": "yesterday", "figures": good},
        {"_id": 7, "at": now, "figures": good},
        {"_id": "a\nb", "at": now, "figures": good},
        {"_id": 'quo"ted\\', "at": now, "figures": good},
        {"_id": "old", "at": now - timedelta(seconds=1000), "figures": good},
        {"_id": "of tomorrow", "at": now + timedelta(seconds=1000), "figures": good},
    ]
    await snapshots.insert_many(odd)
    await store._database["workers"].insert_one({"_id": 7, "seen_at": now})
    await store.snapshots.put("host:1", good)
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    seen = Scraped(await response.text())
    assert seen.by("worker", "darkroom_attempts_total") == {
        "host:1": 1,
        'quo"ted\\': 1,
        "of tomorrow": 1,
    }
    assert seen.sum("darkroom_snapshots_refused") == 2


async def test_scrapes_at_once_ask_each_store_once(store: Store, settings: Settings) -> None:
    made = Instruments(Source.SERVICE)
    watched = await Store.open(settings, made.clock(MONGODB))
    queue = Queue.open(settings)
    scrape = Scrape(settings, watched, queue, made)
    try:
        texts = await asyncio.gather(*(scrape.text() for _ in range(20)))
        name = "darkroom_mongodb_command_duration_seconds_count"
        assert Scraped((await scrape.text()).decode()).sum(name, command="dbStats") in {1, 2}
        assert all(Scraped(text.decode()).sum("darkroom_store_up") == 2 for text in texts)
    finally:
        await scrape.close()
        await queue.close()
        watched.close()


async def test_a_redis_that_is_away_is_said(settings: Settings, aiohttp_client: Any) -> None:
    from standalone.embedded_stores import free_port

    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    client = await aiohttp_client(create_app(away))
    seen = Scraped(await (await client.get("/metrics")).text())
    assert seen.by("store", "darkroom_store_up") == {"mongodb": 1}
    assert not seen.of("darkroom_queue_rings")
    assert seen.of("darkroom_tasks_waiting")


async def test_switched_off_nothing_is_answered_or_written(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    off = settings.model_copy(update={"metrics": False, "metrics_seconds": 0.01})
    client = await aiohttp_client(create_app(off))
    async with working(off) as arq:
        await ready(arq)

        async def seen() -> bool:
            return await store.presence.alive(60) == 1

        await until(seen)
    assert (await client.get("/metrics")).status == 404
    assert await store._database["snapshots"].count_documents({}) == 0


async def test_a_worker_that_stops_leaves_its_last_counts_and_no_gauges(
    client: Client, settings: Settings
) -> None:
    rare = settings.model_copy(update={"metrics_seconds": 600})
    async with working(rare) as arq:
        name = (await ready(arq)).name
        arq.ctx["worker"].instruments.count(ATTEMPTS, "success")
    seen = Scraped(await (await client.get("/metrics")).text())
    assert seen.by("worker", "darkroom_attempts_total", outcome="success") == {name: 1}
    assert not seen.of("darkroom_children")
    assert seen.sum("darkroom_workers") == 0


async def test_zombies_are_counted(
    send: Any, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.queue import execute

    original = execute._store

    async def stolen(worker: Any, attempt: Any, part: int, output: Any) -> Any:
        await steal(attempt.task.id)
        return await original(worker, attempt, part, output)

    async def steal(task_id: str) -> None:
        another = {"$set": {"lease.token": "another"}}
        await store._database["tasks"].update_one({"_id": task_id}, another)

    async with working(settings.model_copy(update={"lease_seconds": 0.6})) as arq:
        counted = (await ready(arq)).instruments.counters[ATTEMPTS]
        late = (await (await send(slow_picture(), "late.png")).json())["task_id"]

        async def started() -> bool:
            task = await store.tasks.get(late)
            return task is not None and task.progress > 0

        await until(started)
        await steal(late)
        await until(lambda: counted.labels("lease_lost")._value.get() == 1)
        monkeypatch.setattr(execute, "_store", stolen)
        await send()
        await until(lambda: counted.labels("fenced")._value.get() >= 1)
        assert counted.labels("success")._value.get() == 0


async def test_what_waits_is_counted_from_when_it_was_last_asked_for(store: Store) -> None:
    nothing = await store.gauges.work()
    assert (nothing.waiting, nothing.oldest, nothing.running, nothing.overdue) == (0, 0, 0, 0)
    await created(store)
    past = datetime.now(UTC) - timedelta(seconds=1000)
    tasks = store._database["tasks"]
    await tasks.update_one({"_id": TASK}, {"$set": {"asked_at": past, "created_at": past}})
    work = await store.gauges.work()
    assert work.waiting == 1 and 990 < work.oldest < 1100
    task = await claimed(store, "token", seconds=-500)
    assert task is not None and task.asked_at is not None
    work = await store.gauges.work()
    assert (work.waiting, work.running, work.over) == (0, 1, 1) and 490 < work.overdue < 600
    await store.leases.fail(TASK, "token", {"code": "internal"})
    assert await store.tasks.revive(TASK)
    assert (await store.gauges.work()).oldest < 100
    await tasks.update_one({"_id": TASK}, {"$unset": {"asked_at": 1}})  # as older versions wrote
    assert (await store.gauges.work()).oldest > 990


async def test_the_oldest_is_found_by_its_index(store: Store) -> None:
    for number in range(50):
        await store.tasks.create(
            f"{number:064}",
            original_id=ObjectId(),
            original_sha256="0",
            upload=Upload(name="a.png", results=["a"]),
            operations=[],
            output="png",
        )
    look = {
        "find": "tasks",
        "filter": {"status": "CREATED"},
        "sort": {"asked_at": 1},
        "limit": 1,
    }
    said = await store._database.command("explain", look, verbosity="executionStats")
    assert "waiting_since" in json.dumps(said["queryPlanner"]["winningPlan"])
    assert said["executionStats"]["totalDocsExamined"] == 1


async def test_one_scrape_is_the_applications(client: Client) -> None:
    assert isinstance(client.app[SCRAPE], Scrape)
    assert (await client.post("/metrics")).status == 405
    assert (await client.head("/metrics")).status == 200
