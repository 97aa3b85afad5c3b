"""What MongoDB and Redis of an embedded Darkroom were asked: their own counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import redis
from pymongo import MongoClient

from models.replica_set import embedded_mongo_url
from models.settings import Settings
from standalone import embedded_stores

_PROFILE_BYTES = 64 << 20
_ALIKE = {"getmore", "insert", "update", "remove"}  # kinds of operations without a command's name


def redis_commands(data_dir: Path) -> Counter[str]:
    """Return the commands that Redis has executed since it started."""
    server: Any = redis.Redis.from_url(embedded_stores.redis_url(data_dir))
    found = server.info("commandstats").items()
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in found})


def mongodb_commands(data_dir: Path) -> Counter[str]:
    """Return the commands that MongoDB has executed since it started."""
    with MongoClient[dict[str, Any]](embedded_mongo_url(data_dir)) as mongo:
        commands = mongo.admin.command("serverStatus")["metrics"]["commands"]
    counted = {name: each for name, each in commands.items() if isinstance(each, dict)}
    return Counter({name: each["total"] for name, each in counted.items() if "total" in each})


def profiled_operations(data_dir: Path) -> Counter[str]:
    """Return the operations, by collection, since the last call, which switches the profiler on."""
    with MongoClient[dict[str, Any]](embedded_mongo_url(data_dir)) as mongo:
        database = mongo[Settings().stores.mongo_db]
        database.command("profile", 0)
        counts: Counter[str] = Counter()
        for entry in database["system.profile"].find({}, {"op": 1, "ns": 1, "command": 1}):
            command = next(iter(entry.get("command", {})), "")
            name = entry["op"] if entry["op"] in _ALIKE else command
            counts[f"{name} {entry['ns'].partition('.')[2]}"] += 1
        database["system.profile"].drop()
        database.create_collection("system.profile", capped=True, size=_PROFILE_BYTES)
        database.command("profile", 2)
    return counts
