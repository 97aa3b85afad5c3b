"""Metric snapshots of workers, scrapes, and metrics of the stores."""

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
from models.metrics.definitions import (
    ATTEMPTS,
    EVENT_LOOP_LAG,
    LIVE_WORKERS,
    MONGODB_COMMANDS,
    TASK_WAIT,
)
from models.metrics.instruments import Instruments
from models.metrics.metric import MetricSource
from models.metrics.snapshot import ProcessMetrics, render
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.tasks.task import Upload
from service.app import create_app
from service.metrics_collector import METRICS_COLLECTOR, MetricsCollector
from tests.conftest import Client
from tests.models.store.test_leases import TASK, claim_task, create_task
from tests.support.prometheus_text import Scraped


def instruments() -> Instruments:
    made = Instruments(MetricSource.WORKER)
    made.count(ATTEMPTS, "success")
    made.observe(TASK_WAIT, 0.02)
    made.observe(TASK_WAIT, 9000)
    made.observe(MONGODB_COMMANDS, 0.5, "find", "ok")
    made.observe(MONGODB_COMMANDS, 0.5, "an unknown command", "ok")
    return made


def shown(*parts: ProcessMetrics) -> Scraped:
    return Scraped(render(parts).decode())


def test_unpack_restores_packed_values() -> None:
    given_ = snapshot.collect(instruments())
    written = snapshot.pack(given_)
    assert snapshot.unpack(written) == (given_, 0)
    assert len(written) < 4000
    seen = shown(ProcessMetrics("host:1", given_), ProcessMetrics("host:2", given_))
    assert seen.sum("darkroom_attempts_total", outcome="success") == 2
    wait = seen.of("darkroom_task_wait_seconds_bucket", worker="host:1")
    assert [s.value for s in wait if s.labels["le"] in {"0.01", "0.025", "300.0", "+Inf"}] == [
        *(0, 1, 1, 2)
    ]
    assert seen.sum("darkroom_mongodb_command_duration_seconds_count", command="other") == 2


def test_collect_without_gauges() -> None:
    assert (
        snapshot.collect(instruments(), gauges=False).keys()
        < snapshot.collect(instruments()).keys()
    )


def packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


NAME, HISTOGRAM = ATTEMPTS.name, EVENT_LOOP_LAG.name
COUNTS = [0] * (len(EVENT_LOOP_LAG.buckets) + 1)


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({}, 0),
        ({"darkroom_of_tomorrow_total": [[[], 1]]}, 0),
        ({LIVE_WORKERS.name: [[[], 77]]}, 0),  # not a worker's to say
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
def test_only_invalid_metrics_of_a_snapshot_are_rejected(document: Any, refused: int) -> None:
    assert snapshot.unpack(packed(document)) == ({}, refused)


@pytest.mark.parametrize(
    "stored",
    [
        *(None, 7, "text", b"", b"rubbish", packed({})[:-3]),
        zlib.compress(b"[" * 100_000),
        zlib.compress(bytes(10 * snapshot.MAX_SNAPSHOT_BYTES)),
        zlib.compress(b"\xff{}"),
    ],
    ids=range(9),
)
def test_unreadable_snapshots_are_rejected(stored: object) -> None:
    assert snapshot.unpack(stored) == ({}, 1)


def test_unknown_label_value_becomes_other() -> None:
    found, refused = snapshot.unpack(packed({NAME: [[["success"], 1], [["of tomorrow"], 2]]}))
    assert (found, refused) == ({ATTEMPTS: {("success",): 1, ("other",): 2}}, 0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
_NAMES = st.sampled_from([NAME, HISTOGRAM, MONGODB_COMMANDS.name]) | st.text()


@given(st.dictionaries(_NAMES, _JSON | st.lists(st.tuples(st.lists(st.text()), _JSON))))
def test_fuzzed_snapshots_render(document: Any) -> None:
    found, _ = snapshot.unpack(packed(document))
    list(text_string_to_metric_families(render([ProcessMetrics('odd"\\\n', found)]).decode()))


async def test_malformed_stored_snapshots_do_not_break_a_scrape(
    client: Client, store: Store
) -> None:
    snapshots = store._database["snapshots"]
    now = datetime.now(UTC)
    good = snapshot.pack(snapshot.collect(instruments()))
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
    await store.metric_snapshots.put("host:1", good)
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    seen = Scraped(await response.text())
    assert seen.by("worker", "darkroom_attempts_total") == {
        "host:1": 1,
        'quo"ted\\': 1,
        "of tomorrow": 1,
    }
    assert seen.sum("darkroom_snapshot_metrics_rejected") == 2


async def test_concurrent_scrapes_query_each_store_once(store: Store, settings: Settings) -> None:
    made = Instruments(MetricSource.SERVICE)
    watched = await Store.open(settings, made.call_observer(MONGODB_COMMANDS))
    queue = Queue.open(settings.stores)
    scrape = MetricsCollector(settings.stores, watched, queue, made)
    try:
        texts = await asyncio.gather(*(scrape.exposition() for _ in range(20)))
        name = "darkroom_mongodb_command_duration_seconds_count"
        assert Scraped((await scrape.exposition()).decode()).sum(name, command="dbStats") in {1, 2}
        assert all(Scraped(text.decode()).sum("darkroom_store_up") == 2 for text in texts)
    finally:
        await queue.close()
        watched.close()


async def test_store_up_is_0_without_redis(settings: Settings, aiohttp_client: Any) -> None:
    from standalone.embedded_stores import free_port

    offline = settings.replace(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    client = await aiohttp_client(create_app(offline))
    seen = Scraped(await (await client.get("/metrics")).text())
    assert seen.by("store", "darkroom_store_up") == {"mongodb": 1}
    assert not seen.of("darkroom_queue_jobs")
    assert seen.of("darkroom_tasks_waiting")


async def test_waiting_time_starts_at_the_last_submission(store: Store) -> None:
    nothing = await store.task_stats.queue()
    assert (
        nothing.waiting,
        nothing.oldest_seconds,
        nothing.running,
        nothing.longest_expired_seconds,
    ) == (0, 0, 0, 0)
    await create_task(store)
    past = datetime.now(UTC) - timedelta(seconds=1000)
    tasks = store._database["tasks"]
    await tasks.update_one({"_id": TASK}, {"$set": {"asked_at": past, "created_at": past}})
    work = await store.task_stats.queue()
    assert work.waiting == 1 and 990 < work.oldest_seconds < 1100
    task = await claim_task(store, "token", seconds=-500)
    assert task is not None and task.asked_at is not None
    work = await store.task_stats.queue()
    assert (work.waiting, work.running, work.expired_leases) == (
        0,
        1,
        1,
    ) and 490 < work.longest_expired_seconds < 600
    await store.leases.fail(TASK, "token", {"code": "internal"})
    assert await store.tasks.restart(TASK)
    assert (await store.task_stats.queue()).oldest_seconds < 100
    await tasks.update_one({"_id": TASK}, {"$unset": {"asked_at": 1}})  # as older versions wrote
    assert (await store.task_stats.queue()).oldest_seconds > 990


async def test_oldest_waiting_task_query_uses_an_index(store: Store) -> None:
    for number in range(50):
        await store.tasks.create(
            f"{number:064}",
            original_id=ObjectId(),
            original_sha256="0",
            upload=Upload(name="a.png", results=["a"]),
            operations=[],
            output="png",
        )
    query = {
        "find": "tasks",
        "filter": {"status": "CREATED"},
        "sort": {"asked_at": 1},
        "limit": 1,
    }
    explained = await store._database.command("explain", query, verbosity="executionStats")
    assert "waiting_since" in json.dumps(explained["queryPlanner"]["winningPlan"])
    assert explained["executionStats"]["totalDocsExamined"] == 1


async def test_app_has_one_metrics_collector(client: Client) -> None:
    assert isinstance(client.app[METRICS_COLLECTOR], MetricsCollector)
    assert (await client.post("/metrics")).status == 405
    assert (await client.head("/metrics")).status == 200
