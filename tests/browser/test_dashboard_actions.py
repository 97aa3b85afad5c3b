"""The dashboard in a browser, with a real worker: actions, filters, the keyboard."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest
from playwright.async_api import expect

from models.settings import Settings
from models.store import Store
from tests.browser.conftest import Tab
from tests.browser.dashboard_page import (
    Open,
    halt,
    looked,
    looking,
    opened,
    refresh_often,
    send,
    task,
)
from tests.conftest import working
from tests.support import images
from tests.workers.queue.test_jobs import started_worker, wait_until

__all__ = ["opened"]  # a fixture


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
    tasks = [task(n, "SUCCESS", n) for n in range(25)]
    await store._database["tasks"].insert_many(tasks)
    page = tab.page
    rows = page.locator("tbody tr.success")
    async with looking(tab, url):
        await expect(rows).to_have_count(10)
        await page.get_by_role("button", name="Older").click()
        # The button leads on from the page that is shown.
        await expect(rows.first).to_have_attribute("data-key", tasks[10]["_id"])
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
        await wait_until(partial(looked, page, 2))
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
