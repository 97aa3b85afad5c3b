"""Log in with an API key in a browser, upload, and log out."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import expect

from models.settings import Settings
from models.store import Store
from service.auth.session import SESSION_COOKIE
from tests.browser.conftest import Tab
from tests.browser.upload_page import add, created, ended, ready, start
from tests.support import api_key_clients, images
from tests.support.task_factory import finish


async def test_login_upload_and_logout(
    settings: Settings, aiohttp_client: Any, store: Store, tab: Tab
) -> None:
    service = await api_key_clients.service_starter(settings, aiohttp_client)()
    credentials = await service.key(name="Ann")
    page = tab.page
    await page.goto(str(service.client.make_url("/")))
    await expect(page).to_have_url(re.compile(r"/login$"))
    await tab.shots("login-key")
    assert await tab.findings() == []
    await page.get_by_label("API key").fill("dk_wrong")
    await page.get_by_role("button", name="Log in").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("invalid key: mistyped, revoked or expired")
    await page.get_by_label("API key").fill(credentials.token)
    await page.get_by_role("button", name="Log in").click()
    await ready(page)
    # XMLHttpRequest, EventSource and <img> all send the cookie.
    await add(page, {"cat.png": images.png(40, 30, 1)})
    await start(page, "Upscale 1 picture")
    await finish(store, await created(store, "cat.png"), images.png(80, 60, 1))
    await ended(page, "done", 1)
    # A link opens the result for people without a key.
    await page.get_by_role("button", name="Share a link").click()
    link = page.get_by_label("Link to the results, which opens without a key")
    await expect(link).to_have_value(re.compile(r"^http://.*/processed/.*signature="))
    async with ClientSession() as stranger, stranger.get(await link.input_value()) as response:
        assert images.decoded(await response.read()).size == (80, 60)
    assert SESSION_COOKIE not in await page.evaluate("document.cookie")
    assert await tab.findings() == []
    await expect(page.get_by_text("Logged in as Ann")).to_be_visible()
    await page.get_by_role("button", name="Log out").click()
    await expect(page).to_have_url(re.compile(r"/login$"))
    await page.goto(str(service.client.make_url("/")))
    await expect(page).to_have_url(re.compile(r"/login$"))
