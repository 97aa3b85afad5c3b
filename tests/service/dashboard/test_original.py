"""The original of a task, for the dashboard."""

from __future__ import annotations

import io
from typing import Any

import pytest

from models.store import Store
from tests.conftest import Client
from tests.support import images
from tests.support.dashboard_api import api
from tests.support.task_factory import create


async def test_the_bytes_come_as_they_were_sent(client: Client, store: Store, send: Any) -> None:
    data = images.png()
    task_id = (await (await send(data, "../x\u202ey.html")).json())["task_id"]
    original = (await api(client, f"tasks/{task_id}"))["original"]
    assert original == {"url": f"/dashboard/api/tasks/{task_id}/original", "bytes": len(data)}
    response = await client.get(original["url"])
    assert (response.status, await response.read()) == (200, data)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"] == f'attachment; filename="original-{task_id}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    # Marked for deletion it is gone for everybody.
    task = await store.tasks.get(task_id)
    assert task is not None
    await store.originals.mark_damaged(task.original_id)
    assert (await api(client, f"tasks/{task_id}"))["original"] is None
    gone = await client.get(original["url"])
    assert (gone.status, (await gone.json())["code"]) == (409, "original_gone")


@pytest.mark.parametrize("data", [b"<script>alert(1)</script>", b"<svg onload=alert(1)>", b""])
async def test_what_is_no_picture_gets_no_type_that_runs(
    client: Client, store: Store, data: bytes
) -> None:
    """Older versions may have stored anything."""
    task_id = await create(store, 1)
    file_id = await store.originals.put(io.BytesIO(data), "x.html", {"key": "x"})
    await store._database["tasks"].update_one({}, {"$set": {"original_id": file_id}})
    response = await client.get(f"/dashboard/api/tasks/{task_id}/original")
    assert (response.content_type, await response.read()) == ("application/octet-stream", data)


async def test_an_unknown_task(client: Client) -> None:
    response = await client.get(f"/dashboard/api/tasks/{'ab' * 16}/original")
    assert (response.status, (await response.json())["code"]) == (404, "not_found")
