"""What docs/deployment.md shards: indexes and calls fit it. No package carries a mongos to ask."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from pymongo import IndexModel

from models.store import Store
from models.store.mongo.indexes import INDEXES
from tests.support.paths import ROOT

_COMMAND = re.compile(r'^sh\.shardCollection\("darkroom\.([\w.]+)", \{ (\w+): "hashed" \}\)$', re.M)
SHARDED = dict(_COMMAND.findall((ROOT / "docs" / "deployment.md").read_text()))
"""The shard key of each collection that is sharded."""


def fits(index: IndexModel, key: str) -> bool:
    """Return whether a collection with that shard key may have ``index``: MongoDB's own rule.

    Each shard looks for duplicates among its own documents, so a unique index begins with the key.
    """
    return not index.document.get("unique") or next(iter(index.document["key"])) == key


def test_only_chunks_are_sharded() -> None:
    assert set(SHARDED) == {name for name in INDEXES if name.endswith(".chunks")}


@pytest.mark.parametrize("collection", SHARDED)
def test_unique_indexes_begin_with_the_shard_key(collection: str) -> None:
    indexes = INDEXES[collection]
    assert [index.document for index in indexes if not fits(index, SHARDED[collection])] == []
    # And one serves the calls for one file, whichever shard has it.
    assert any(next(iter(index.document["key"])) == SHARDED[collection] for index in indexes)


def test_why_the_others_are_not_sharded_by_their_id() -> None:
    refused = {
        name for name, indexes in INDEXES.items() if not all(fits(i, "_id") for i in indexes)
    }
    assert refused - set(SHARDED) == {
        *("originals.files", "results.files", "intermediates.files"),
        *("mail", "webhooks", "subscribers"),
    }


async def test_each_call_for_a_file_asks_one_shard(store: Store, tmp_path: Path) -> None:
    database, bucket = store._database, store.results
    await database.command("profile", 2)
    file_id = await bucket.put(io.BytesIO(b"bytes"), "cat.png", {})
    assert [data async for data in bucket.read(file_id, 0, 5)] == [b"bytes"]
    await bucket.download(file_id, tmp_path / "cat.png")
    assert await bucket.find_damage(file_id) is None
    assert await bucket.delete(file_id)
    await database.command("profile", 0)
    name = "results.chunks"
    found = database["system.profile"].find({"ns": f"{database.name}.{name}"})
    calls = [(entry["op"], entry["command"]) async for entry in found.sort("ts", 1)]
    assert [op for op, _ in calls] == ["insert", "query", "query", "command", "remove"]
    for op, command in calls[1:]:
        assert _condition(command).get(SHARDED[name]) == file_id, op


def _condition(command: dict[str, Any]) -> dict[str, Any]:
    """Return the condition of a find, a remove or a count, as the profiler shows it."""
    condition: dict[str, Any]
    if "pipeline" in command:
        condition = command["pipeline"][0]["$match"]
    else:
        condition = command["filter"] if "filter" in command else command["q"]
    return condition


def test_no_transactions() -> None:
    """One over several shards is slower and may be refused; each change here is one update."""
    sources = [path for folder in ("models", "service", "workers") for path in ROOT.glob(folder)]
    texts = [file.read_text() for folder in sources for file in folder.rglob("*.py")]
    assert len(texts) > 100
    assert not any(re.search(r"start_(session|transaction)\b", text) for text in texts)
