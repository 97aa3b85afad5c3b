"""``python -m bench.scale``: what queries of the queue take when it is long.

Writes FINISHED and WAITING synthetic tasks into a mongod of its own. Prints a Markdown table: for
each query the median of FIVE calls in milliseconds, through the store, and what it returns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from bench.darkroom import run_mongod
from models.settings import Settings
from models.store import Store
from models.store.tasks.search import TaskFilter
from models.tasks.task import Status, Upload
from models.work_prices import Prices

FIVE = 5
_BATCH = 2000
_CLIENTS = 40


async def fill(store: Store, finished: int, waiting: int) -> None:
    """Insert copies of one task; those that wait were enqueued long ago."""
    await store.tasks.create(
        "f" * 64,
        original_id=ObjectId(),
        original_sha256="0" * 64,
        upload=Upload(name="a.png", results=["b.png"]),
        operations=[{"op": "grayscale"}],
        output="png",
    )
    tasks: Any = store._database["tasks"]
    task = await tasks.find_one_and_delete({"_id": "f" * 32})
    now = datetime.now(UTC)
    ended = {"status": Status.SUCCESS, "finished_at": now, "started_at": now, "worker": "w"}
    for count, change in ((finished, ended), (waiting, {})):
        for first in range(0, count, _BATCH):
            await tasks.insert_many(
                [
                    {
                        **task,
                        **change,
                        "_id": f"{len(change)}{number:031x}",
                        "fingerprint": f"{len(change)}{number:063x}",
                        "turn": 1 + number // _CLIENTS,
                        "client": f"client {number % _CLIENTS}",
                        "rung_at": now - timedelta(hours=1, milliseconds=-number),
                        "created_at": now - timedelta(hours=1, milliseconds=-number),
                    }
                    for number in range(first, min(count, first + _BATCH))
                ],
                ordered=False,
            )


async def measure(name: str, call: Callable[[], Awaitable[Any]]) -> None:
    took = []
    for _ in range(FIVE):
        began = time.perf_counter()
        found = await call()
        took.append((time.perf_counter() - began) * 1000)
    count = len(found.positions) if hasattr(found, "positions") else len(found or ())
    print(f"| {name} | {statistics.median(took):.1f} | {count} |", flush=True)


async def run(url: str, finished: int, waiting: int) -> None:
    store = await Store.open(Settings.load().replace(mongo_url=url))
    await fill(store, finished, waiting)
    print(f"{finished} finished, {waiting} waiting\n\n| query | ms | rows |\n|---|---|---|")
    leases, part = store.leases, await store.leases.waiting(5)
    await measure("snapshot of the queue", lambda: store.fair_queue.snapshot(Prices()))
    await measure("sweep: stalled", leases.stalled)
    await measure("sweep: served next", lambda: leases.next_waiting(5))
    await measure("sweep: a part, the first", lambda: leases.waiting(5))
    await measure("sweep: a part, later", lambda: leases.waiting(5, part[-1].rung_at))

    async def claim() -> list[Any]:
        return [await leases.claim(part.pop().id, worker="w", token="t", seconds=9, max_attempts=9)]

    await measure("claim", claim)

    async def open_tasks() -> list[Any]:
        return [await store.fair_queue.open_tasks()]

    async def of_client() -> list[Any]:
        return [await store.fair_queue.of_client("client 7")]

    await measure("admission: open tasks of all, once a second", open_tasks)
    await measure("admission: of a client, for each upload", of_client)

    async def page(**chosen: Any) -> list[Any]:
        return (await store.task_search.page(TaskFilter(**chosen), 50))[0]

    await measure("dashboard: newest", page)
    await measure("dashboard: succeeded", lambda: page(status=Status.SUCCESS))
    await measure("dashboard: an operation", lambda: page(operation="grayscale"))
    await measure("dashboard: a name", lambda: page(search="a.png"))

    async def poll() -> list[Any]:
        return [await store.tasks.get(f"2{7:031x}")]

    await measure("poll", poll)
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    chosen = parser.parse_args()
    with run_mongod() as url:
        asyncio.run(run(url, chosen.finished, chosen.waiting))


if __name__ == "__main__":
    main()
