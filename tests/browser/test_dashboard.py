"""The dashboard in a browser, with real service and stores: what it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from models.store import Store
from tests.browser.conftest import Tab
from tests.browser.dashboard_page import (
    Open,
    event,
    fill_history,
    looking,
    opened,
    task,
    worker,
)

__all__ = ["opened"]  # a fixture


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
        await expect(tab.page.locator(".chart .frame")).to_have_count(4)
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
        await expect(tab.page.locator("#tasks tbody tr")).to_have_count(4)
        await expect(tab.page.locator("tr.failure")).to_have_count(4)
        assert tab.page.url.endswith("?status=FAILURE")
        await tab.page.locator("tr.failure a.name").first.click()
        dialog = tab.page.locator("#detail")
        await expect(dialog).to_contain_text("the worker died")
        await tab.shots("dashboard-failure")
        assert await tab.findings("#detail") == []
