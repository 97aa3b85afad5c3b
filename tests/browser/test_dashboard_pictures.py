"""The dashboard in a browser: a task's original and results side by side."""

from __future__ import annotations

import io
from typing import Any

from playwright.async_api import expect

from models.settings import Settings
from models.store import Store
from tests.browser.conftest import Tab
from tests.browser.dashboard_page import Open, looking, opened, refresh_often, send
from tests.conftest import working
from tests.support import images
from tests.workers.queue.test_jobs import started_worker

__all__ = ["opened"]  # a fixture


async def test_pictures_of_a_task(tab: Tab, opened: Open, settings: Settings, store: Store) -> None:
    client, url = await opened()
    page = tab.page
    await refresh_often(tab)
    async with working(settings) as arq:
        await started_worker(arq)
        enlarged = await send(client, images.png(96, 64), "cat.png", "/upscale?wait=60")
        split = await send(client, images.png(60, 60, 2), "parts.png", "/split?wait=60")
    dialog = page.locator("#detail")
    async with looking(tab, f"{url}?task={enlarged['task_id']}"):
        section = dialog.get_by_role("region", name="Pictures")
        stage = section.locator(".stage")
        await expect(stage).to_be_visible()
        await stage.locator("img.after").evaluate("img => img.decode()")
        await tab.shots("dashboard-pictures")
        assert await tab.findings("#detail") == []
        # It stays as it was left while the page refreshes.
        await stage.focus()
        await page.keyboard.press("s")
        await expect(section.get_by_role("button", name="Side by side")).to_have_attribute(
            "aria-pressed", "true"
        )
        await stage.evaluate("node => window.kept = node")
        for _ in range(2):
            async with page.expect_response("**/dashboard/api/tasks/*"):
                pass
        assert await stage.evaluate("node => node === window.kept")
        await expect(stage).to_be_focused()
        await expect(section.get_by_role("link")).to_have_text(["Original", "cat-upscale-x2.png"])
        async with page.expect_download() as download:
            await section.get_by_role("link", name="Original").click()
        assert (await download.value).suggested_filename == f"original-{enlarged['task_id']}"
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(dialog.locator("img")).to_have_count(0)
    # What cannot be laid over its original stands beside it.
    async with looking(tab, f"{url}?task={split['task_id']}"):
        pictures = dialog.locator(".pair img")
        await expect(pictures).to_have_count(1 + len(split["results"]))
        await expect(pictures.first).to_have_attribute("alt", "parts.png: Before")


async def test_large_and_lost_pictures_are_not_loaded(
    tab: Tab, opened: Open, settings: Settings, store: Store
) -> None:
    client, url = await opened()
    page, loaded = tab.page, list[str]()
    page.on("request", lambda request: loaded.append(request.url))
    task_id = (await send(client, images.png(), "big.png"))["task_id"]
    task = await store.tasks.get(task_id)
    assert task is not None
    file_id = await store.results.put(io.BytesIO(b"x"), "x", {"task_id": task_id})
    result: dict[str, Any] = {"file_id": file_id, "format": "png", "sha256": "0" * 64}
    results = [
        {**result, "width": 40, "height": 40, "bytes": 3_000_001},
        {**result, "width": 30_000, "height": 1000, "bytes": 50_000},
    ]
    change = {"status": "SUCCESS", "results": results}
    names = {"uploads.0.results": ["heavy.png", "wide.png"]}
    await store._database["tasks"].update_one({"_id": task_id}, {"$set": {**change, **names}})
    await store.originals.mark_damaged(task.original_id)
    async with looking(tab, f"{url}?task={task_id}"):
        section = page.locator("#detail").get_by_role("region", name="Pictures")
        await expect(section.get_by_role("link")).to_have_text(["heavy.png", "wide.png"])
        await expect(section.get_by_text("too large to be shown here")).to_have_count(2)
        await expect(section.locator("img")).to_have_count(0)
        assert not [each for each in loaded if "/processed/" in each or "/original" in each]
