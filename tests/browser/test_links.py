"""Links on the upload page: pasted or typed, fetched by the server, refused in a person's words."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from playwright.async_api import expect

from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.browser.conftest import Tab
from tests.browser.upload_page import card, created, opened, start
from tests.support import images
from tests.support.task_factory import finish
from tests.support.webhook_receiver import run_receiver, webhook_settings

PASTE = """text => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  const pasted = {clipboardData: data, bubbles: true, cancelable: true};
  document.body.dispatchEvent(new ClipboardEvent("paste", pasted));
}"""


async def test_links_become_pictures(
    settings: Settings, aiohttp_client: Any, store: Store, tab: Tab
) -> None:
    gone = [404, 200]

    async def by_path(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=images.png(), status=gone.pop(0) if request.path == "/gone.png" else 200
        )

    async with run_receiver() as server:
        server.responses += [by_path] * 3
        client = await aiohttp_client(create_app(webhook_settings(settings, server)))
        page = await opened(tab, str(client.make_url("/")))
        host = f"127.0.0.1:{server.port}"
        await page.evaluate(PASTE, "no link, only words")
        await page.evaluate(PASTE, f"http://{host}/a/c%C3%A4t.png?key=1\n")
        chosen = page.locator("#selected li")
        await expect(chosen).to_have_count(1)
        await expect(chosen).to_contain_text("cät.png")
        await expect(chosen).to_contain_text(host)
        await tab.shots("links")
        field = page.get_by_label("Link to a picture")
        await field.fill(f"http://{host}/gone.png cat.png")
        await field.press("Enter")
        await expect(chosen).to_have_count(2)
        refusal = page.locator("#refused .refused")
        await expect(refusal).to_contain_text("Not a link: it begins with https://")
        assert await tab.findings("#drop, #selected, #refused") == []
        await start(page)
        await expect(page.locator('.card[data-state="failed"]')).to_contain_text("answered 404")
        await finish(store, await created(store, "cät.png"), images.png())
        done = card(page, "cät.png")
        await expect(done).to_have_attribute("data-state", "done")
        await expect(done.locator(".facts")).to_contain_text(f"{host} → ")
        # The link is all that the page keeps; sent again, it brings the same bytes: the same task.
        await card(page, "gone.png").get_by_role("button", name="Retry").click()
        await expect(card(page, "gone.png")).to_have_attribute("data-state", "done")
        paths = ["/a/c%C3%A4t.png?key=1", "/gone.png", "/gone.png"]
        assert sorted(server.paths) == paths


async def test_without_fetching_there_is_no_field(
    settings: Settings, aiohttp_client: Any, tab: Tab
) -> None:
    client = await aiohttp_client(create_app(settings.replace(fetch_urls="off")))
    page = await opened(tab, str(client.make_url("/")))
    await expect(page.locator("#choose")).to_be_visible()
    await expect(page.locator("#link")).to_have_count(0)
