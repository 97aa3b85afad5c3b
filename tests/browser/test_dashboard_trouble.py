"""The dashboard when its own script fails."""

from __future__ import annotations

import json

from playwright.async_api import Route, expect

from tests.browser.conftest import Tab
from tests.support.standalone_process import StandaloneProcess


async def test_a_script_error_is_shown_and_refreshing_goes_on(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    page, asked = tab.page, 0

    async def odd(route: Route) -> None:
        """Answer as a service of another version might."""
        nonlocal asked
        asked += 1
        body = json.dumps({"workers": [{"name": "of another version"}]})
        await route.fulfill(status=200, content_type="application/json", body=body)

    await page.route("**/dashboard/api/workers", odd)
    await page.goto(f"{darkroom.url}/dashboard")
    await expect(page.locator("#connection")).to_have_text("no connection")
    before = asked
    async with page.expect_request("**/dashboard/api/workers"):
        pass
    assert asked >= before
    await page.unroute("**/dashboard/api/workers")
    await expect(page.locator("#connection")).to_have_text("live")
    assert tab.trouble and all("script: " in each for each in tab.trouble)
    tab.trouble.clear()
