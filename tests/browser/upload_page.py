"""Actions on the upload page, for its tests."""

from __future__ import annotations

import base64
import re
from typing import Any

from playwright.async_api import FilePayload, Locator, Page, expect

from models.store import Store
from tests.browser.conftest import Tab
from tests.support import images
from tests.workers.queue.test_jobs import wait_until

_FILES = """files => {
  const transfer = new DataTransfer();
  for (const [name, data] of Object.entries(files)) {
    const bytes = Uint8Array.from(atob(data), each => each.charCodeAt(0));
    transfer.items.add(new File([bytes], name, {type: "image/png"}));
  }
  return transfer;
}"""


def broken() -> bytes:
    """Return a PNG of 3 bits a sample, which do not exist: only the server looks so far."""
    data = images.png(40, 40, 1)
    return data[:24] + b"\x03" + data[25:]


async def opened(tab: Tab, url: str) -> Page:
    """Open the page; return when it is ready."""
    await tab.page.goto(url)
    await ready(tab.page)
    return tab.page


async def ready(page: Page) -> None:
    await expect(page.locator("body[data-ready]")).to_have_count(1)


async def _transfer(page: Page, files: dict[str, bytes]) -> Any:
    given = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return await page.evaluate_handle(_FILES, given)


async def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drag files over the page and drop them."""
    transfer = await _transfer(page, files)
    for event in ("dragenter", "dragover"):
        await page.dispatch_event("#drop", event, {"dataTransfer": transfer})
    await expect(page.locator("#drop.over")).to_have_count(1)
    await page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    await expect(page.locator("#drop.over")).to_have_count(0)


async def paste(page: Page, name: str, data: bytes) -> None:
    transfer = await _transfer(page, {name: data})
    event = "t => window.dispatchEvent(new ClipboardEvent('paste', {clipboardData: t}))"
    await page.evaluate(event, transfer)


async def add(page: Page, files: dict[str, bytes]) -> None:
    """Choose files; return when they are listed."""
    given = [
        FilePayload(name=name, mimeType="application/octet-stream", buffer=data)
        for name, data in files.items()
    ]
    await page.set_input_files("#files", given)
    await expect(page.locator("#selected li")).to_have_count(len(files))


async def start(page: Page, name: str = "") -> None:
    button = page.locator("#start")
    await expect(button).to_contain_text(name or re.compile(r"\w+"))
    await button.click()


def card(page: Page, name: str) -> Locator:
    heading = page.get_by_role("heading", name=name, exact=True)
    return page.locator(".card").filter(has=heading)


async def ended(page: Page, state: str, count: int, seconds: int = 60) -> None:
    """Wait until ``count`` pictures are in ``state``, and, if done, their images are loaded."""
    cards = page.locator(f'.card[data-state="{state}"]')
    await expect(cards).to_have_count(count, timeout=seconds * 1000)
    if state == "done":
        for each in await cards.locator("img").all():
            await each.evaluate("img => img.decode()")


async def created(store: Store, name: str = "") -> str:
    """Return the id of the task of an upload, once there is one; ``name``: as it is stored."""
    found: list[str] = []

    async def looked() -> bool:
        cursor = store._database["tasks"].find({"uploads.name": name} if name else {})
        found.extend([each["_id"] async for each in cursor])
        return bool(found)

    await wait_until(looked, 60)
    return found[0]
