"""GET /docs in a browser: layout, search, copy and "Try it"."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from models.store import Store
from tests.browser.conftest import WIDTHS, Tab
from tests.browser.upload_page import created
from tests.support import images
from tests.support.task_factory import finish

_LISTEN = """node => {
  window.said = [];
  new MutationObserver(() => said.push(node.textContent)).observe(node, { childList: true });
}"""
"""Keep what a button says, however short."""


def page_url(client: Any, path: str = "/docs") -> str:
    return str(client.make_url(path))


async def keep(tab: Tab, calls: str) -> None:
    """Remove all endpoints but these, since axe-core works through the whole page."""
    remove = "calls => document.querySelectorAll(`.call:not(${calls})`).forEach(c => c.remove())"
    await tab.page.evaluate(remove, calls)


async def test_layout_and_accessibility(client: Any, tab: Tab) -> None:
    await tab.page.goto(page_url(client))
    await tab.shots("docs", whole=False)  # the page is dozens of windows long
    # Every endpoint has the same parts: one for each method is checked with all that it unfolds.
    await tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width, height in WIDTHS.items():
        await tab.page.set_viewport_size({"width": width, "height": height})
        assert await tab.overflow() <= 0, width
    calls = "#post_process, #get_tasks_id, #delete_processed_name"
    await keep(tab, calls)
    assert await tab.findings(f"header, nav, {calls}") == []


async def test_try_it_with_an_upload(client: Any, store: Store, tab: Tab, tmp_path: Path) -> None:
    picture = tmp_path / "cat's eye.png"
    picture.write_bytes(images.png())
    page = tab.page
    await page.goto(page_url(client))
    call = page.locator("#post_blur")
    await call.get_by_text("Try it").click()
    await call.locator('input[type="file"]').set_input_files(picture)
    await call.locator('input[name="kernel"]').fill("5")
    await call.locator('input[name="wait"]').fill("60")
    await call.get_by_role("button", name="Send").click()
    await finish(store, await created(store), images.png())
    await call.locator(".response .chip", has_text="200 OK").wait_for()
    task = json.loads(await call.get_by_label("Response body").inner_text())
    assert task["status"] == "SUCCESS"
    assert task["operations"][0]["kernel"] == 5
    said = await call.locator(".response .command code").inner_text()
    assert said.startswith(r"curl -F 'image=@cat'\''s eye.png' -F kernel=5 ")
    await tab.shots("docs-try", whole=False)
    # Ids of this response are filled into later forms.
    result = page.locator("#get_processed_name")
    await result.get_by_text("Try it").click()
    name = result.locator('input[name="name"]')
    await expect(name).to_have_value(task["results"][0]["name"])
    await result.get_by_role("button", name="Send").click()
    await result.locator(".response img").wait_for()
    width = await result.locator(".response img").evaluate(
        "async i => (await i.decode(), i.naturalWidth)"
    )
    assert width == 40
    put = page.locator("#put_blur")
    await put.get_by_text("Try it").click()
    await put.locator('input[type="file"]').set_input_files(picture)
    await put.locator('input[name="kernel"]').fill("5")
    await put.get_by_role("button", name="Send").click()
    await put.locator(".response .chip", has_text="200 OK").wait_for()  # the same task
    said = await put.locator(".response .command code").inner_text()
    assert said.startswith(r"curl -T 'cat'\''s eye.png' 'http")
    await keep(tab, "#post_blur")
    assert await tab.findings("#post_blur") == []


async def test_try_it_shows_errors(client: Any, tab: Tab) -> None:
    await tab.page.goto(page_url(client))
    call = tab.page.locator("#get_tasks_id")
    await call.get_by_text("Try it").click()
    await call.locator('input[name="id"]').fill("<img src=x>/..")
    await call.get_by_role("button", name="Send").click()
    await call.locator(".response .chip", has_text="404 Not Found").wait_for()
    assert '"not_found"' in await call.get_by_label("Response body").inner_text()
    assert await call.locator("img").count() == 0


async def test_find_an_endpoint_and_copy_its_command(client: Any, tab: Tab) -> None:
    page = tab.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(page_url(client))
    finder = page.get_by_label("Find an endpoint")
    await expect(finder).to_be_visible()  # once the script has come
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await finder.focus()
    await page.keyboard.type("zip")
    links = page.locator(".contents ul ul a:visible")
    assert [(await each.inner_text()).split() for each in await links.all()] == [
        ["GET", "/status/{id}/archive"]
    ]
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("#get_status_id_archive$"))
    call = page.locator("#get_status_id_archive")
    copy = call.get_by_role("button", name="Copy").first
    await copy.evaluate(_LISTEN)
    await copy.press("Enter")
    await page.wait_for_function("() => said.includes('Copied')")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await call.locator("pre").first.inner_text()
    assert copied.startswith("curl -OJ ")


async def test_the_page_is_complete_without_javascript(browser: Any, client: Any) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(page_url(client))
    assert await page.locator(".call").count() > 40
    assert await page.get_by_text("Try it").first.is_hidden()
    assert await page.get_by_role("button", name="Copy").count() == 0
    await context.close()
