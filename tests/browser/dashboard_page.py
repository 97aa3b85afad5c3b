"""The dashboard page for tests: how it is opened, and the ledger that it shows."""

from __future__ import annotations

import hashlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from playwright.async_api import Route, expect

from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.browser.conftest import Tab
from tests.conftest import Client
from tests.support import images
from tests.workers.queue.test_jobs import wait_until
from workers.context import WorkerContext

Open = Callable[..., Any]
NAMES = ("lama.png", "old-harbour-1962.jpg", "IMG_2041.jpg", "grandmother.jpg", "floor plan.png")


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Open:
    async def start(chosen: Settings = settings, **update: Any) -> tuple[Client, str]:
        chosen = chosen.replace(**update)
        client: Client = await aiohttp_client(create_app(chosen))
        return client, f"http://127.0.0.1:{client.port}/dashboard"

    return start


async def send(
    client: Client, data: bytes, name: str, path: str = "/upscale", **fields: str
) -> Any:
    response = await client.post(path, data=images.form(data, name, **fields))
    return await response.json()


def worker(name: str, **said: Any) -> dict[str, Any]:
    """The registry entry of a worker."""
    now = datetime.now(UTC)
    host, _, pid = name.partition(":")
    return {
        "_id": name,
        "host": host,
        "pid": int(pid),
        "seen_at": now + timedelta(minutes=5),  # alive as long as the test
        "started_at": now - timedelta(hours=7, minutes=12),
        "engine": "openvino 2026.4.1 bf16",
        "state": "running",
        "places": 4,
        "children": [{"pid": int(pid) + n, "state": "idle"} for n in range(1, 5)],
        "tasks": [],
        "in_hand": 0,
        "done": 4211,
        "failed": 17,
        "load": 2.31,
        "cores": 8,
        "memory": {"worker": 98_000_000, "children": 1_640_000_000},
        **said,
    }


def event(at: datetime, what: str, worker: str | None = None, cause: str | None = None) -> Any:
    return {"at": at, "what": what, "worker": worker, "cause": cause}


def task(number: int, status: str, age: float, **said: Any) -> dict[str, Any]:
    mark = hashlib.sha256(str(number).encode()).hexdigest()
    at = datetime.now(UTC) - timedelta(seconds=age)
    ended = status in {"SUCCESS", "FAILURE", "CANCELLED"}
    begun = status != "CREATED"
    name = NAMES[number % len(NAMES)]
    ran = timedelta(seconds=1.2 + number % 7)
    wait = timedelta(seconds=0.4)
    timeline = [event(at + wait, "claimed", "press-1:4120")] if begun else []
    if ended:
        what = {"SUCCESS": "finished", "FAILURE": "failed", "CANCELLED": "cancelled"}[status]
        cause = said.get("error", {}).get("code") if status == "FAILURE" else None
        timeline.append(event(at + wait + ran, what, "press-1:4120", cause))
    stages = {"fetch": 8.1, "wait": 0.2, "decode": 61.0, "upscale": 910.4, "encode": 143.9}
    return {
        "_id": mark[:32],
        "fingerprint": mark,
        "status": status,
        "original_id": ObjectId(),
        "original_sha256": mark,
        "uploads": [{"name": name, "results": [f"{number}-{name}"]}],
        "operations": [
            {"op": "upscale", "scale": 2, "model": "darkroom-balanced"},
            *([{"op": "convert", "format": "webp", "quality": 85}] if number % 3 == 0 else []),
        ],
        "format": "png",
        "attempts": int(begun),
        "client": "9f86d081884c7d65",
        "worker": "press-1:4120" if begun else None,
        "created_at": at,
        "asked_at": at,
        "started_at": at + wait if begun else None,
        "finished_at": at + wait + ran if ended else None,
        "timeline": timeline,
        "stages": {**stages, "publish": 22.7} if status == "SUCCESS" else None,
        **said,
    }


async def halt(worker: WorkerContext) -> int:
    """Halt the child with SIGSTOP, so that its next task runs until SIGCONT; return its pid."""
    await wait_until(lambda: len(worker.children.pids) == 1)
    (child,) = worker.children.pids
    os.kill(child, signal.SIGSTOP)
    return child


async def fill_history(store: Store, *, trouble: bool = False) -> None:
    """Insert an hour of history."""
    now, rng = datetime.now(UTC).replace(microsecond=0), random.Random(4)
    notes = []
    for back in range(3600, 0, -10):
        if not trouble and 2400 > back > 2200:
            continue  # a gap in the history
        wave = max(0, 40 - abs(back - 1500) / 12)
        waiting = int(wave + rng.random() * 4) if not trouble else int((3600 - back) / 90)
        done = 0 if trouble and back < 900 else int(14 + rng.random() * 9)
        failed = int(rng.random() * 5) if trouble and back > 900 else int(rng.random() * 1.1)
        at = now - timedelta(seconds=back)
        levels = {"waiting": waiting, "running": 4, "oldest": 3.0, "workers": 2}
        counts = {"asked": done, "started": done, "succeeded": done, "failed": failed}
        drop = {"drop_at": now + timedelta(days=1)}
        notes.append({"_id": at, "seconds": 10.0, **levels, **counts, "cancelled": 0, **drop})
    await store.queue_history._collection.insert_many(notes)


@asynccontextmanager
async def looking(tab: Tab, url: str) -> AsyncIterator[None]:
    await tab.page.goto(url)
    await expect(tab.page.locator("#connection")).to_have_text("live")
    yield


async def refresh_often(tab: Tab) -> None:
    """Let the dashboard ask four times as often: these tests wait for what it shows next."""

    async def shorten(route: Route) -> None:
        response = await route.fetch()
        script = await response.text()
        assert script.count(" = 2000; // ms") == 1
        await route.fulfill(response=response, body=script.replace("2000; // ms", "500; // ms"))

    await tab.page.route("**/static/dashboard.js", shorten)


async def looked(page: Any, times: int) -> bool:
    asked = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/queue')).length"
    return bool(await page.evaluate(asked) > times)


async def fill_activity(store: Store, keys: dict[str, int]) -> None:
    """Insert an hour of refusals and durations; ``keys``: seconds of computing by owner."""
    now, rng = datetime.now(UTC).replace(second=0, microsecond=0), random.Random(5)
    documents = []
    for back in range(59, -1, -1):
        bad = 25 < back < 40
        slow = 28 if bad else 22
        refused = {"queue_full": 6, "store_unavailable": 2} if bad else {}
        documents.append(
            {
                "_id": {"span": 60, "at": now - timedelta(minutes=back)},
                "refused": {**refused, "unsupported_format": rng.randrange(1, 3)},
                "failed": {"bad_image": rng.randrange(2)},
                "request": {str(10 + rng.randrange(6)): 40, str(slow): 3},
                "wait": {str(slow + rng.randrange(4)): 15},
                "run": {str(33 + rng.randrange(4)): 14},
                "keys": {
                    key: {"tasks": 4, "failed": 1, "bytes": 700_000, "ms": 1000 * seconds // 60}
                    for key, seconds in keys.items()
                },
                "drop_at": now + timedelta(days=1),
            }
        )
    activity = store.activity._collection
    await activity.delete_many({"_id.span": 60})  # what the service has written in ten seconds
    await activity.insert_many(documents)
