"""The dashboard in a browser: log-in, and a service that is away."""

from __future__ import annotations

from playwright.async_api import expect

from models.auth.api_key import Scope
from service.app_keys import STORE
from tests.browser.conftest import Tab
from tests.browser.dashboard_page import (
    Open,
    looking,
    opened,
    refresh_often,
)

__all__ = ["opened"]  # a fixture


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
        await expect(tab.page.locator("#alerts")).to_contain_text("It was last up to date at")
