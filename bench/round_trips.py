"""``python -m bench.round_trips``: the calls to MongoDB and Redis that one flow takes.

A flow uploads a picture of 640x480 under a name of its own, waits with one long poll and fetches
the result. Prints two tables: MongoDB's operations by collection, from its profiler, and Redis'
commands, from its own statistics; for flows one at a time and eight at a time, less what the same
seconds without a flow took.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import redis
from pymongo import MongoClient

from bench.darkroom import run_darkroom
from bench.throughput import make_image, run_flows
from models.replica_set import embedded_mongo_url
from models.settings import Settings
from standalone import embedded_stores

FLOWS = 48
AT_ONCE = (1, 8)
SETTLE_SECONDS = 5.0
_FORM = {"scale": "2", "model": "darkroom-fast"}
_PROFILE_BYTES = 64 << 20


def mongodb_calls(database: Any) -> Counter[str]:
    """Return the operations that the profiler recorded, and forget them."""
    database.command("profile", 0)
    counts: Counter[str] = Counter()
    for entry in database["system.profile"].find({}, {"op": 1, "ns": 1, "command": 1}):
        command = next(iter(entry.get("command", {})), "")
        name = entry["op"] if entry["op"] in {"getmore", "insert", "update", "remove"} else command
        counts[f"{name} {entry['ns'].partition('.')[2]}"] += 1
    database["system.profile"].drop()
    database.create_collection("system.profile", capped=True, size=_PROFILE_BYTES)
    database.command("profile", 2)
    return counts


def redis_calls(server: redis.Redis) -> Counter[str]:
    """Return the commands since the server started."""
    found: Any = server.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()})


def show(title: str, columns: list[Counter[str]]) -> None:
    print(f"| {title} | {' | '.join(f'{each} at once' for each in AT_ONCE)} |")
    print("|---" * (1 + len(AT_ONCE)) + "|")
    names = sorted(set().union(*columns), key=lambda name: -columns[0][name])
    for name in names:
        if max(column[name] for column in columns) >= 0.1 * FLOWS:
            print(f"| {name} | {' | '.join(f'{column[name] / FLOWS:.1f}' for column in columns)} |")
    print(f"| all | {' | '.join(f'{column.total() / FLOWS:.1f}' for column in columns)} |\n")


def main() -> None:
    found: dict[str, list[Counter[str]]] = {"MongoDB": [], "Redis": []}
    pictures = iter([make_image(seed, 640, 480) for seed in range((FLOWS + 3) * len(AT_ONCE))])
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
        run_darkroom(DATA_DIR=folder) as url,
    ):
        mongo: MongoClient[dict[str, Any]] = MongoClient(embedded_mongo_url(Path(folder)))
        database = mongo[Settings().stores.mongo_db]
        server = redis.Redis.from_url(embedded_stores.redis_url(Path(folder)))
        for at_once in AT_ONCE:
            asyncio.run(run_flows(url, list(islice(pictures, 3)), _FORM, 1))
            time.sleep(SETTLE_SECONDS)
            mongodb_calls(database)
            before, began = redis_calls(server), time.monotonic()
            asyncio.run(run_flows(url, list(islice(pictures, FLOWS)), _FORM, at_once))
            elapsed = time.monotonic() - began
            busy, after = mongodb_calls(database), redis_calls(server)
            time.sleep(elapsed)
            busy.subtract(mongodb_calls(database))
            found["MongoDB"].append(busy)
            after.subtract(before)
            after.subtract(redis_calls(server) - after - before)
            found["Redis"].append(after)
        mongo.close()
    for title, columns in found.items():
        show(title, columns)


if __name__ == "__main__":
    main()
