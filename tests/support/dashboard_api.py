"""Ask the API of the dashboard, and fill the ledger for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from models.store import Store
from models.tasks.task import Status
from tests.conftest import Client

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


async def api(client: Client, path: str, expected: int = 200, /, **query: str) -> Any:
    response = await client.get(f"/dashboard/api/{path}", params=query)
    assert response.status == expected, await response.text()
    return await response.json()


async def fill(store: Store, count: int) -> list[str]:
    """Insert tasks as older versions wrote them; return their ids, newest first."""
    statuses = list(Status)
    documents: list[dict[str, Any]] = [
        {
            "_id": f"{number:032x}",
            "fingerprint": f"{number:064x}",
            "status": statuses[number % 5],
            "original_id": ObjectId(),
            "original_sha256": "0" * 64,
            "uploads": [{"name": f"IMG_{number:04}.jpg", "results": [f"r{number}.png"]}],
            "operations": [{"op": "blur" if number % 3 else "upscale"}],
            "format": "png",
            "attempts": 0,
            # Several tasks share a time; a page may end between them.
            "created_at": BEGIN + timedelta(seconds=number // 7),
        }
        for number in range(count)
    ]
    await store._database["tasks"].insert_many(documents)
    documents.sort(key=lambda each: (each["created_at"], each["_id"]), reverse=True)
    return [each["_id"] for each in documents]


async def walk(client: Client, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api(client, "tasks", **query, **({"after": cursor} if cursor else {}))
        rows += page["tasks"]
        cursor = page["next"]
    return rows
