"""``python -m bench.dispatch``: how many tiny tasks a second workers start, do and publish.

TASKS pictures of 8x8 are uploaded while all workers are drained, to be made grey; then these take
tasks again. Prints JSON: tasks a second between the first start and the last end, by the ledger,
and the milliseconds of processor time that one takes, by process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np

from bench.darkroom import run_darkroom
from bench.throughput import OURS, cpu_time
from models.replica_set import embedded_mongo_url
from models.settings import Settings
from models.store import Store
from models.tasks.task import ENDED

_AT_ONCE = 8
_WARM_TASKS = 40
_LOOK_SECONDS = 0.2
_ENVIRONMENT = {"MAX_QUEUE_PER_CLIENT": "10000"}


def tiny(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


async def upload(url: str, pictures: list[bytes]) -> None:
    waiting = iter(enumerate(pictures))

    async def lane(session: aiohttp.ClientSession) -> None:
        for number, data in waiting:
            form = aiohttp.FormData()
            form.add_field("image", data, filename=f"{number}.png")
            async with session.post(f"{url}/grayscale", data=form) as response:
                response.raise_for_status()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(lane(session) for _ in range(_AT_ONCE)))


async def set_drain(store: Store, *, drain: bool) -> None:
    state = "drained" if drain else "running"
    while any(each["state"] != state for each in await store.workers.entries(6, 64)):
        for name in await store.workers.names():
            await store.workers.set_drain(name, drain=drain)
        await asyncio.sleep(_LOOK_SECONDS)


async def measure(url: str, store: Store, pictures: list[bytes]) -> dict[str, Any]:
    await set_drain(store, drain=True)
    ended = {"status": {"$in": list(ENDED)}}
    tasks: Any = store._database["tasks"]
    before = await tasks.count_documents(ended)
    latest = (await store.health.now()) if before else None
    await upload(url, pictures)
    with cpu_time(len(pictures)) as spent:
        for name in await store.workers.names():
            await store.workers.set_drain(name, drain=False)
        while await tasks.count_documents(ended) < before + len(pictures):
            await asyncio.sleep(_LOOK_SECONDS)
    since: dict[str, Any] = {"started_at": {"$gt": latest}} if latest else {}
    times = {"first": {"$min": "$started_at"}, "last": {"$max": "$finished_at"}}
    pipeline = [{"$match": since}, {"$group": {"_id": None, **times}}]
    (row,) = await tasks.aggregate(pipeline).to_list(1)
    seconds = (row["last"] - row["first"]).total_seconds()
    return {
        "tasks a second": round(len(pictures) / seconds, 1),
        "ms a task": {kind: spent[kind] for kind in OURS},
    }


async def run(url: str, folder: Path, count_tasks: int, rounds: int) -> list[dict[str, Any]]:
    store = await Store.open(Settings.load().replace(mongo_url=embedded_mongo_url(folder)))
    seeds = count()
    try:
        found = [
            await measure(url, store, [tiny(next(seeds)) for _ in range(tasks)])
            for tasks in (_WARM_TASKS, *[count_tasks] * rounds)
        ]
    finally:
        store.close()
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dispatch", description=__doc__)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
        run_darkroom(DATA_DIR=folder, WORKERS=str(given.workers), **_ENVIRONMENT) as url,
    ):
        rounds = asyncio.run(run(url, Path(folder), given.tasks, given.rounds))
    print(json.dumps({"workers": given.workers, "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
