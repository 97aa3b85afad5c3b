"""The dashboard in a browser, with real service, stores and worker."""

from __future__ import annotations

import hashlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from playwright.async_api import Route, expect

from models.auth.api_key import Scope
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import STORE
from tests.browser.conftest import Tab
from tests.conftest import Client, working
from tests.support import images
from tests.workers.queue.test_jobs import started_worker, wait_until
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


async def test_an_empty_dashboard(tab: Tab, opened: Open) -> None:
    _, url = await opened()
    async with looking(tab, url):
        await expect(tab.page.locator("#alerts")).to_contain_text("No worker is alive")
        await expect(tab.page.locator("#tasks")).to_contain_text("No tasks yet")
        await tab.shots("dashboard-empty")
        assert await tab.findings() == []


async def test_a_busy_dashboard(tab: Tab, opened: Open, store: Store) -> None:
    _, url = await opened()
    await fill_history(store)
    running = [task(n, "STARTED", 3 + n, progress=17 * (n + 1) % 100) for n in range(4)]
    for each in running:
        until_ = datetime.now(UTC) + timedelta(hours=1)
        each["lease"] = {"worker": "press-1:4120", "token": "secret", "until": until_}
    ended = [task(n, "SUCCESS", 20 + 9 * n) for n in range(12, 22)]
    waiting = [task(n, "CREATED", 1 + n / 10) for n in range(4, 11)]
    cancelled = [task(11, "CANCELLED", 19, error={"code": "cancelled", "detail": "it was"})]
    await store._database["tasks"].insert_many([*running, *waiting, *cancelled, *ended])
    now = datetime.now(UTC)
    in_hand = [{"id": e["_id"], "progress": e["progress"], "since": now} for e in running]
    busy = [{"pid": 4121 + n, "state": "busy"} for n in range(4)]
    await store._database["workers"].insert_many(
        [
            worker("press-1:4120", tasks=in_hand, in_hand=4, children=busy, load=6.9),
            worker("press-2:917", state="drained", drain=True, load=0.12),
        ]
    )
    async with looking(tab, url):
        await expect(tab.page.locator("#alerts")).to_contain_text("Everything works")
        await expect(tab.page.locator(".worker")).to_have_count(2)
        await expect(tab.page.locator(".chart svg")).to_have_count(2)
        await tab.shots("dashboard-busy")
        assert await tab.findings() == []
        done = tab.page.locator("tr.success a.name").first
        await done.click()
        dialog = tab.page.locator("#detail")
        await expect(dialog).to_contain_text("Timeline")
        await expect(dialog).to_contain_text("upscale 910 ms")
        await tab.shots("dashboard-detail")
        assert await tab.findings("#detail") == []


async def test_alerts_come_first(tab: Tab, opened: Open, store: Store) -> None:
    _, url = await opened()
    await fill_history(store, trouble=True)
    at = datetime.now(UTC) - timedelta(seconds=400)
    crashed = {
        "code": "worker_crashed",
        "detail": "the process working at this picture died 3 times (MAX_ATTEMPTS)",
        "attempts": 3,
        "exit_status": -9,
    }
    story = [
        event(at, "claimed", "press-1:4120"),
        event(at + timedelta(seconds=9), "released", "press-1:4120", "crashed"),
        event(at + timedelta(seconds=10), "claimed", "press-2:917"),
        event(at + timedelta(seconds=31), "lease_expired", "press-2:917", "worker_died"),
        event(at + timedelta(seconds=32), "claimed", "press-1:4120"),
        event(at + timedelta(seconds=44), "failed", "press-1:4120", "worker_crashed"),
    ]
    failed = [
        task(n, "FAILURE", 410 + n, error=crashed, timeline=story, attempts=3) for n in (1, 3)
    ]
    theirs = {"code": "bad_image", "detail": "the PNG file is truncated: send all of it"}
    failed += [task(n, "FAILURE", 500 + n, error=theirs) for n in (2, 7)]
    waiting = [task(n, "CREATED", 400 - n / 10) for n in range(20, 32)]
    await store._database["tasks"].insert_many([*failed, *waiting])
    silent = worker("press-2:917", seen_at=datetime.now(UTC) - timedelta(seconds=41))
    await store._database["workers"].insert_one(silent)
    async with looking(tab, url):
        said = tab.page.locator("#alerts .problem")
        await expect(said.first).to_contain_text("No worker is alive; 12 tasks wait")
        await expect(said.nth(1)).to_contain_text("has been waiting for 7 min")
        await expect(tab.page.locator("#alerts")).to_contain_text("worker_crashed 2")
        await expect(tab.page.locator(".worker")).to_contain_text("silent for")
        await tab.shots("dashboard-trouble")
        assert await tab.findings() == []
        await said.last.get_by_role("link").click()
        await expect(tab.page.locator("tr.failure")).to_have_count(4)
        assert tab.page.url.endswith("?status=FAILURE")
        await tab.page.locator("tr.failure a.name").first.click()
        dialog = tab.page.locator("#detail")
        await expect(dialog).to_contain_text("the worker died")
        await tab.shots("dashboard-failure")
        assert await tab.findings("#detail") == []


async def test_rows_update_and_actions_work_without_reload(
    tab: Tab, opened: Open, settings: Settings, store: Store
) -> None:
    client, url = await opened()
    page = tab.page
    await refresh_often(tab)
    async with looking(tab, url):
        await page.evaluate("window.same = true")
        first = (await send(client, images.png(), "first.png"))["task_id"]
        row = page.locator(f'tr[data-key="{first}"]')
        await expect(row).to_contain_text("waiting")
        async with working(settings) as arq:
            queue_worker = await started_worker(arq)
            name, children = queue_worker.name, queue_worker.children
            await expect(row).to_contain_text("done")
            assert await page.evaluate("window.same")
            # Cancel a slow task, after the confirmation; then retry it.
            halted = await halt(queue_worker)
            slow = (await send(client, images.png(seed=2), "slow.png"))["task_id"]
            row = page.locator(f'tr[data-key="{slow}"]')
            await expect(row).to_contain_text("running")
            await wait_until(lambda: children.states[halted])
            await row.get_by_role("button", name="Cancel slow.png").click()
            await page.get_by_role("button", name="Go back").click()
            await row.get_by_role("button", name="Cancel slow.png").click()
            await page.get_by_role("button", name="Cancel the task").click()
            await expect(row).to_contain_text("cancelled")
            await wait_until(lambda: halted not in children.pids)
            halted = await halt(queue_worker)
            await row.get_by_role("button", name="Retry slow.png").click()
            await expect(row).to_contain_text("running")
            # Drain the worker while it runs the task: it finishes it and takes no more.
            card = page.get_by_role("article", name=f"Worker {name}")
            await card.get_by_role("button", name="Drain").click()
            await page.get_by_role("button", name="Drain the worker").click()
            await expect(card).to_contain_text("draining")
            third = (await send(client, images.png(seed=3), "third.png"))["task_id"]
            os.kill(halted, signal.SIGCONT)
            await expect(card).to_contain_text("drained")
            await expect(row).to_contain_text("done")
            waiting = page.locator(f'tr[data-key="{third}"]')
            await expect(waiting).to_contain_text("waiting")
            await expect(page.locator("#alerts")).to_contain_text("no task starts")
            await card.get_by_role("button", name="Resume").click()
            await expect(waiting).to_contain_text("done")
            await row.get_by_role("link").click()
            dialog = page.locator("#detail")
            await expect(dialog.locator(".timeline")).to_contain_text("cancelled")
            await expect(dialog.locator(".legend")).to_contain_text("upscale")
            await dialog.get_by_role("button", name="Close").click()
            await expect(dialog).to_be_hidden()
        await expect(page.locator("#alerts")).to_contain_text("No worker is alive")
        assert await page.evaluate("window.same")


async def test_filters_are_in_the_url_and_paging_goes_both_ways(
    tab: Tab, opened: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.dashboard.queries._PAGE_SIZE", 10)
    _, url = await opened()
    await store._database["tasks"].insert_many([task(n, "SUCCESS", n) for n in range(25)])
    page = tab.page
    rows = page.locator("tbody tr.success")
    async with looking(tab, url):
        await expect(rows).to_have_count(10)
        await page.get_by_role("button", name="Older").click()
        await page.get_by_role("button", name="Older").click()
        await expect(rows).to_have_count(5)
        await page.go_back()
        await expect(rows).to_have_count(10)
        await page.get_by_role("button", name="Newest").click()
        await page.get_by_label("Name or id starts with").fill("lama")
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(5)
        await page.reload()
        await expect(rows).to_have_count(5)
        await expect(page.get_by_label("Name or id starts with")).to_have_value("lama")
        await page.get_by_label("State").select_option("failed")
        await expect(page.locator("#tasks")).to_contain_text("No task matches")
        await page.get_by_role("button", name="Clear").click()
        await expect(rows).to_have_count(10)
        assert page.url == url


async def test_keyboard_only(tab: Tab, opened: Open, store: Store) -> None:
    _, url = await opened()
    await store._database["tasks"].insert_many([task(n, "CREATED", n) for n in range(2)])
    page = tab.page
    await refresh_often(tab)
    async with looking(tab, url):
        link = page.locator("tbody a.name").first
        await link.focus()
        await wait_until(partial(_looked, page, 2))
        await expect(link).to_be_focused()  # a refresh keeps the focus
        await page.keyboard.press("Enter")
        await expect(page.locator("#detail")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#detail")).to_be_hidden()
        await expect(link).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        question = page.locator("#confirm")
        await expect(question).to_contain_text("Cancel lama.png?")
        await page.keyboard.press("Escape")
        await expect(question).to_be_hidden()
        await expect(page.locator("tr.created")).to_have_count(2)


async def _looked(page: Any, times: int) -> bool:
    asked = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/queue')).length"
    return bool(await page.evaluate(asked) > times)


async def test_login_and_logout(tab: Tab, opened: Open) -> None:
    client, url = await opened(api_keys="on", rate_limits="off")
    _, key = await client.app[STORE].api_keys.create("operator", (Scope.ADMIN,), None)
    login, page = url.replace("/dashboard", "/login"), tab.page
    await page.goto(f"{url}?status=FAILURE")
    await expect(page).to_have_url(f"{login}?next=/dashboard?status%3DFAILURE")
    await tab.shots("dashboard-login")
    assert await tab.findings() == []
    await page.get_by_label("API key").fill("not the right one")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("invalid key")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("#connection")).to_have_text("live")
    assert page.url == f"{url}?status=FAILURE"
    await page.get_by_role("button", name="Log out").click()
    await expect(page).to_have_url(login)
    await page.goto(url)
    await expect(page).to_have_url(f"{login}?next=/dashboard")


async def test_an_unreachable_service_is_shown(tab: Tab, opened: Open) -> None:
    client, url = await opened()
    await refresh_often(tab)
    async with looking(tab, url):
        await client.server.close()
        await expect(tab.page.locator("#connection")).to_have_text("no connection")
        await expect(tab.page.locator("#alerts")).to_contain_text("out of date")
