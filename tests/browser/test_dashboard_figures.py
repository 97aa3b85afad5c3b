"""The dashboard in a browser: charts with axes, refusals, durations, use by key, health."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from models.auth.api_key import Scope
from models.store import Store
from tests.browser.conftest import Tab
from tests.browser.dashboard_page import (
    Open,
    fill_activity,
    fill_history,
    looking,
    opened,
    refresh_often,
    task,
)

__all__ = ["opened"]  # a fixture

_LABELS = "svgs => svgs.map(svg => [...svg.querySelectorAll('text')].map(e => e.textContent))"
_CLIPPED = """nodes => nodes.filter(node => {
  const { left, right } = node.getBoundingClientRect();
  const box = node.closest(".panel").getBoundingClientRect();
  return left < box.left || right > box.right;
}).map(node => node.textContent)"""
_AXIS_AND_END = """frame => {
  const path = [...frame.querySelectorAll(".area")].at(-1);
  const points = path.getAttribute("d").match(/[0-9.]+,[0-9.]+/g);
  const labels = [...frame.querySelectorAll("text")].map(e => e.textContent);
  return [labels, points.at(-2).split(",").map(Number)];
}"""


async def test_charts_have_axes_and_a_text(tab: Tab, opened: Open, store: Store) -> None:
    _, url = await opened()
    page = tab.page
    await fill_history(store)
    await fill_activity(store, {"anonymous": 900})
    await store._database["tasks"].insert_many([task(n, "CREATED", 1) for n in range(7)])
    async with looking(tab, url):
        charts = page.locator(".chart .frame")
        await expect(charts).to_have_count(4)
        waiting, finished, refused, durations = await charts.evaluate_all(_LABELS)
        for labels in (waiting, finished, refused, durations):
            times = [each for each in labels if re.fullmatch(r"\d\d:\d\d", each)]
            assert 3 <= len(times) <= 6, labels
        assert {"0", "20", "40"} <= set(waiting) or {"0", "30", "60"} <= set(waiting)
        assert {"10 ms", "1.0 s"} <= set(durations)
        for width in (390, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.locator(".chart text").evaluate_all(_CLIPPED) == []
        # Waiting is one number: the figure, the sentence of the chart and the end of its line.
        figure = page.locator(".figures .panel").filter(has_text="Waiting")
        await expect(figure.locator(".number")).to_have_text("7")
        chart = page.get_by_role("img", name=re.compile("Waiting tasks: now 7, at most "))
        await expect(chart).to_have_count(1)
        async with asyncio.timeout(30):  # each refresh draws it anew, first without this moment
            while True:
                labels, (x, y) = await charts.first.evaluate(_AXIS_AND_END)
                top = max(int(each) for each in labels if each.isdecimal())
                if (x, round(y)) == (600, round(120 - 7 / top * 120)):
                    break
                await asyncio.sleep(0.05)
        # Without colour: one bar is striped, lines differ in their dashes, and both have words.
        columns = "rects => rects.map(e => [e.getBBox().width, e.getBBox().height, e.getBBox().y])"
        finished_chart = page.locator(".chart").nth(1)
        for wide, high, top in await finished_chart.locator("rect").evaluate_all(columns):
            assert wide < 6 and 0 < high <= 120 and 0 <= top < 120
        fill = "e => getComputedStyle(e).fill"
        assert "stripes" in await finished_chart.locator("rect.bad").first.evaluate(fill)
        await expect(finished_chart.locator(".legend li")).to_have_text(["Done", "Failed"])
        dash = "lines => new Set(lines.map(e => getComputedStyle(e).strokeDasharray)).size"
        assert await page.locator(".legend path.line").evaluate_all(dash) == 3
        table = page.locator(".chart").nth(2)
        await table.get_by_text("As a table").focus()
        await page.keyboard.press("Enter")
        await expect(table.get_by_role("columnheader")).to_have_text(["From", "Refused"])
        assert await table.get_by_role("row").count() == 13
        # All tables open, nothing scrolls sideways but a table itself.
        await page.locator("details").evaluate_all("all => all.forEach(e => { e.open = true; })")
        await page.set_viewport_size({"width": 390, "height": 900})
        assert await tab.overflow() <= 0
        # Another time is another axis.
        await page.get_by_label("Last").select_option("week")
        await expect(page.locator("#activity")).to_contain_text(
            re.compile("Since .*of all services")
        )
        await expect(
            page.locator(".chart text").filter(has_text=re.compile(r"^\w{3} \d+$")).first
        ).to_be_visible()


async def test_refusals_durations_and_keys(tab: Tab, opened: Open, store: Store) -> None:
    _, url = await opened()
    page = tab.page
    key, _ = await store.api_keys.create("<img src=x onerror=alert(1)>", (Scope.SUBMIT,), None)
    await fill_activity(store, {key.id: 3000, "0123456789abcdef": 120, "anonymous": 60, "other": 6})
    async with looking(tab, url):
        codes = page.get_by_role("region", name="Refusals and failures by code")
        first = codes.get_by_role("row").nth(1)
        await expect(first).to_contain_text("unsupported_format")
        await expect(codes.get_by_role("row", name="store_unavailable")).to_contain_text("service")
        row = codes.get_by_role("row", name="queue_full")
        await expect(row).to_contain_text("the limit of open tasks is reached")
        await expect(row.get_by_role("cell")).to_have_text(["84", "0"])
        durations = page.get_by_role("region", name="Durations")
        requests = durations.get_by_role("row", name="Requests")
        await expect(requests.get_by_role("cell").last).to_have_text("2,580")
        await expect(requests.get_by_role("cell").first).to_contain_text("ms")
        keys = page.get_by_role("region", name="Use by key")
        names = keys.get_by_role("rowheader")
        await expect(names.nth(0)).to_contain_text("<img src=x onerror=alert(1)>")
        await expect(names.nth(1)).to_contain_text("a deleted key")
        await expect(names.nth(2)).to_have_text("without a key")
        await expect(names.nth(3)).to_have_text("all other keys")
        await expect(keys.get_by_role("row").nth(1).get_by_role("cell")).to_have_text(
            ["240", "60", "42 MB", "50 min"]
        )
        await tab.shots("dashboard-figures")
        assert await tab.findings() == []


async def test_stores_disks_and_what_to_do(tab: Tab, opened: Open, store: Store) -> None:
    # More must stay free than any disk has: it is full at once.
    _, url = await opened(min_free_disk_bytes=10**15)
    page = tab.page
    await store.alert_log.record(["disk_full"])
    since = {"since.disk_full": datetime.now(UTC) - timedelta(minutes=12)}
    await store._database["state"].update_one({"_id": "alerts"}, {"$set": since})
    await refresh_often(tab)
    async with looking(tab, url):
        alert = page.locator(".problem.critical").filter(has_text="on the disk of MongoDB")
        await expect(alert).to_contain_text(re.compile(r"Since \d\d:\d\d:\d\d \(12 min ago\)\."))
        await expect(alert).to_contain_text("Make room on that disk")
        for _ in range(2):
            async with page.expect_response("**/dashboard/api/health"):
                pass
        await expect(page.locator("#health").get_by_role("article")).to_have_count(4)
        mongodb = page.get_by_role("article", name="MongoDB", exact=True)
        await expect(mongodb).to_contain_text("answers")
        await expect(mongodb).to_contain_text("PRIMARY")
        redis = page.get_by_role("article", name="Redis")
        await expect(redis).to_contain_text(re.compile("[0-9.]+ MB of 268 MB"))
        disk = page.get_by_role("article", name="Disk of MongoDB")
        await expect(disk).to_contain_text("full")
        await expect(disk.get_by_role("meter")).to_have_accessible_name(
            re.compile("Disk of MongoDB: [0-9]+ % used")
        )
        await tab.shots("dashboard-health")
