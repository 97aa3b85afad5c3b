"""The upload page when things go wrong: errors, reloads, full queues, offline, hostile names."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Page, expect

from models.settings import Settings
from models.store import Store
from service.submissions import admission
from standalone.embedded_stores import free_port
from tests.browser.conftest import Tab, serving
from tests.browser.upload_page import add, broken, card, created, drop, ended, opened, ready, start
from tests.conftest import Client
from tests.support import images, input_files
from tests.support.standalone_process import StandaloneProcess
from tests.support.task_factory import finish

_SILENT = re.compile("^Darkroom has not answered for [1-9][0-9] s; still waiting")
_HALFWAY = "() => document.querySelector('.card progress').value > 0.1"

_MOVING = """() => {
  const card = document.querySelector('.card[data-state="working"]');
  return card?.querySelector("progress").value > 0
    && /^[1-9][0-9]* %/.test(card.querySelector(".note").textContent);
}"""


def noise(side: int, seed: int) -> bytes:
    """Return a PNG that does not compress: three bytes per pixel."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return images.encoded(Image.fromarray(pixels))


def vast() -> bytes:
    """Return a PNG whose header says 20000 x 20000."""
    head = struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(20000 * 2501), 9)
    parts = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(images.chunk(*part) for part in parts)


async def slowly(page: Page, rate: int) -> None:
    """Limit uploads of this page to ``rate`` bytes per second; -1: no limit."""
    session = await page.context.new_cdp_session(page)
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", limits)


async def start_halfway(page: Page) -> None:
    """Start, and send a part of the first picture; the rest waits for ``slowly``."""
    await slowly(page, 12_000)
    await start(page)
    await page.wait_for_function(_HALFWAY)
    await slowly(page, 100)


async def choose(page: Page, **values: str) -> None:
    """Set parameters of the one step."""
    for label, value in values.items():
        group = page.locator("#steps").get_by_role("group", name=label, exact=True)
        await group.get_by_role("radio", name=value, exact=True).check()


async def test_files_are_refused_before_they_are_sent(settings: Settings, tab: Tab) -> None:
    async with serving(settings.replace(max_upload_bytes=100_000)) as url:
        page = await opened(tab, url)
        sent: list[str] = []
        page.on("request", lambda each: sent.append(each.url) if each.method == "POST" else None)
        name = "<img src=x onerror=alert(1)>.png"
        files = {
            name: b"hello",
            "heic.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "empty.png": b"",
            "vast.png": vast()[:1000],
            "large.png": noise(200, 12),
            "minutes.docx": b"PK\x03\x04",
        }
        await drop(page, files | {"good.jpg": images.jpeg(50, 40, 11)})
        refused = page.locator("#refused .refused")
        await expect(refused).to_have_count(6)
        await expect(page.locator("#refused h2")).to_have_text("6 files cannot be sent")
        text = "\n".join(await refused.all_text_contents())
        for each in (
            "Not an image; only PNG or JPEG can be sent",
            "HEIC; only PNG or JPEG can be sent",
            "DOCX; only PNG or JPEG can be sent",
            "The file is empty",
            "20,000 × 20,000 pixels are 400 megapixels; at most 50",
            "0.1 MiB; at most 0.095 MiB",
        ):
            assert each in text
        await expect(page.locator("#selected li")).to_contain_text("50 × 40, ")
        # However many are refused, what was chosen and the button are in sight: nothing scrolls.
        for part in ("#selected li", "#start"):
            await expect(page.locator(part)).to_be_in_viewport(ratio=1)
        assert await page.evaluate("scrollY") == 0
        vast_one = refused.filter(has_text="vast.png")
        await expect(vast_one.locator(".code")).to_be_hidden()
        await vast_one.locator("summary").click()
        await expect(vast_one.locator(".code")).to_contain_text(
            "too_many_pixels · setting: MAX_PIXELS"
        )
        await expect(page.locator("#start")).to_contain_text("1 picture")
        await expect(page.locator("#announcer")).to_contain_text("1 picture added. ")
        assert sent == [] and await page.locator("img[src=x]").count() == 0
        await tab.shots("upload-strange-names")
        assert await tab.findings() == []
        await vast_one.get_by_role("button", name="Remove").click()
        await expect(refused).to_have_count(5)
        await page.get_by_role("button", name="Dismiss all").click()
        await expect(page.locator("#refused")).to_be_hidden()
        await expect(page.locator("#choose")).to_be_focused()


async def test_the_page_takes_what_is_set(settings: Settings, tab: Tab) -> None:
    """Also what this browser cannot show: it keeps an empty frame."""
    async with serving(settings.replace(input_formats="png,webp,tiff,heic")) as url:
        page = await opened(tab, url)
        files = {kind: whole[0] for kind, whole in input_files.samples().items()}
        await drop(page, {f"{kind}.x": data for kind, data in files.items()})
        refused = page.locator("#refused .refused")
        await expect(refused).to_have_count(3)  # GIF, AVIF, BMP
        await expect(refused.first).to_contain_text("only PNG, WEBP, TIFF or HEIC can be sent")
        await expect(page.locator("#selected li")).to_have_count(3)
        await expect(page.locator("#selected li", has_text="webp.x")).to_contain_text("40 × 30")
        await expect(page.locator("#selected li", has_text="heic.x").locator("img")).to_be_hidden()


async def test_api_errors_are_shown(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    name = "<img src=x onerror=alert(1)>.png"
    await add(page, {name: broken(), "good.png": images.png(30, 30, 11)})
    await start(page)
    await ended(page, "failed", 1)
    await ended(page, "done", 1)
    text = card(page, name)
    await expect(text.locator(".problem")).to_contain_text("PNG file is broken")
    await text.locator(".problem summary").click()
    await expect(text.locator(".code")).to_contain_text("bad_image")
    # The same picture is broken each time.
    await expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    assert await page.locator("img[src=x]").count() == 0
    await tab.shots("upload-refused")
    assert await tab.findings() == []
    await text.get_by_role("button", name="Remove").click()
    await expect(text).to_have_count(0)


async def test_a_server_that_hangs_is_said(client: Client, store: Store, tab: Tab) -> None:
    page = await opened(tab, str(client.make_url("/")))
    await page.clock.install()
    await page.route("**/process", lambda _: None)  # no answer ever
    await add(page, {"stuck.png": images.png(30, 30, 51)})
    await start(page)
    note = card(page, "stuck.png").locator(".note")
    await ended(page, "sending", 1)
    await page.clock.run_for(12_000)
    await expect(note).to_have_text(_SILENT)
    # And while a task runs: its stream says nothing, and nothing else is answered.
    await page.unroute("**/process")
    await page.get_by_role("button", name="Cancel: stuck.png").click()
    await add(page, {"quiet.png": images.png(30, 30, 52)})
    await start(page)
    await ended(page, "queued", 1)
    await page.route("**/tasks/*", lambda _: None)
    await page.clock.run_for(20_000)
    note = card(page, "quiet.png").locator(".note")
    await expect(note).to_have_text(_SILENT)


async def test_reload_during_an_upload(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    data = noise(160, 13)
    await add(page, {"sent.png": data, "kept.png": images.png(31, 31, 13)})
    await start_halfway(page)
    await expect(card(page, "sent.png").locator(".note")).to_contain_text("% uploaded")
    await tab.shots("upload-sending")
    assert await tab.findings() == []
    await page.reload()
    await slowly(page, -1)
    await ready(page)
    await ended(page, "done", 2)
    await expect(card(page, "sent.png").locator(".stage .before")).to_have_count(1)


async def test_chosen_pictures_survive_a_reload(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await choose(page, Scale="×3")
    await add(page, {"later.png": images.png(32, 32, 14)})
    await page.reload()
    await ready(page)
    await expect(page.locator("#selected li")).to_have_count(1)
    await expect(page.locator("#plan")).to_have_text("Upscale ×3, balanced")
    await start(page)
    await ended(page, "done", 1)
    await expect(page.locator(".card .facts")).to_contain_text("96 × 96")


async def test_two_tabs_upload_a_picture_once(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    sent: list[str] = []
    page.context.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    await add(page, {"once.png": noise(160, 27)})
    await start_halfway(page)
    other = Tab(await page.context.new_page())
    await opened(other, darkroom.url)
    note = card(other.page, "once.png").locator(".note")
    await expect(note).to_have_text("another tab is uploading")
    await slowly(page, -1)
    for each in (page, other.page):
        await ended(each, "done", 1)
    assert [url for url in sent if url.endswith("/process")] == [f"{darkroom.url}/process"]
    assert other.trouble == []


async def test_another_tab_finishes_the_upload_of_a_closed_one(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    page = await opened(tab, darkroom.url)
    closed = Tab(await page.context.new_page())
    await opened(closed, darkroom.url)
    await add(closed.page, {"left.png": noise(160, 28)})
    await start_halfway(closed.page)
    await page.reload()
    await ready(page)
    await ended(page, "sending", 1)
    await closed.page.close()
    await ended(page, "done", 1)


async def test_cancel_after_everything_is_sent(client: Client, tab: Tab) -> None:
    page = await opened(tab, str(client.make_url("/")))  # no worker runs: the task does not end
    session = await page.context.new_cdp_session(page)
    held: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    session.on("Fetch.requestPaused", lambda event: held.set_result(event["requestId"]))
    # Hold the response: the service has the picture before the page knows.
    pattern = {"urlPattern": "*/process", "requestStage": "Response"}
    await session.send("Fetch.enable", {"patterns": [pattern]})
    await add(page, {"late.jpg": images.jpeg(seed=29)})
    await start(page)
    answer = await asyncio.wait_for(held, 30)
    await page.get_by_role("button", name="Cancel: late.jpg").click()
    await expect(card(page, "late.jpg").locator(".note")).to_have_text("cancelling")
    async with page.expect_response(lambda r: r.request.method == "DELETE") as deleted:
        await session.send("Fetch.continueRequest", {"requestId": answer})
    response = await deleted.value
    assert (response.status, (await response.json())["status"]) == (200, "CANCELLED")
    await ended(page, "cancelled", 1)


@pytest_asyncio.fixture(loop_scope="session")
async def forgetful(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """URL of a service whose page keeps two finished sets; no worker runs."""
    monkeypatch.setattr("service.handlers.home._MAX_HISTORY", 2)
    async with serving(settings) as url:
        yield url


async def test_unsent_pictures_are_never_dropped(forgetful: str, tab: Tab) -> None:
    page = await opened(tab, forgetful)
    await add(page, {f"{number}.png": broken() for number in range(12)})
    await page.reload()
    await ready(page)
    await expect(page.locator("#selected li")).to_have_count(12)


async def test_the_oldest_finished_picture_is_dropped(forgetful: str, tab: Tab) -> None:
    page = await opened(tab, forgetful)
    for name in ("oldest", "older", "newest"):
        await add(page, {f"{name}.png": broken()})
        await start(page)
        await expect(page.locator(".set .chip").first).to_have_text("1 failed")
    await add(page, {"chosen.png": broken()})
    await page.reload()
    await ready(page)
    await expect(page.locator("#selected li")).to_have_count(1)
    await expect(page.locator(".set")).to_have_count(2)
    await page.locator(".set > summary").nth(1).click()
    await expect(card(page, "older.png")).to_have_count(1)
    await expect(card(page, "oldest.png")).to_have_count(0)


async def run(store: Store, name: str) -> None:
    """Claim the task of an upload as a worker does, and make progress; no worker runs."""
    task_id = await created(store, name)
    assert await store.leases.claim(task_id, worker="w", token="t", seconds=600, max_attempts=3)
    assert await store.leases.extend(task_id, "t", seconds=600, progress=37)


async def test_a_running_task_survives_a_reload_and_is_cancelled(
    client: Client, store: Store, tab: Tab
) -> None:
    page = await opened(tab, str(client.make_url("/")))
    await add(page, {"long.jpg": images.jpeg(seed=15)})
    await start(page)
    await run(store, "long.jpg")
    await ended(page, "working", 1)
    await page.reload()
    await ready(page)
    await expect(page.locator('.card[data-state="working"] .chip')).to_have_text("running")
    await page.wait_for_function(_MOVING)
    await tab.shots("upload-working")
    assert await tab.findings() == []
    await page.get_by_role("button", name="Cancel: long.jpg").click()
    await ended(page, "cancelled", 1)
    await page.get_by_role("button", name="Retry: long.jpg").click()
    await ended(page, "queued", 1)
    await page.get_by_role("button", name="Cancel: long.jpg").click()
    await ended(page, "cancelled", 1)


async def test_the_queue_position_is_shown(
    client: Client, send: Callable[..., Any], tab: Tab
) -> None:
    for seed in range(3):
        await send(images.png(seed=30 + seed), f"{seed}.png")
    page = await opened(tab, str(client.make_url("/")))
    await add(page, {"last.png": images.png(40, 40, 35)})
    await start(page)
    await ended(page, "queued", 1)
    note = card(page, "last.png").locator(".note")
    await expect(note).to_have_text(re.compile("^3 tasks ahead of it"))
    await tab.shots("upload-queued")
    await page.get_by_role("button", name="Cancel: last.png").click()
    await ended(page, "cancelled", 1)


@pytest.mark.parametrize("script", ["messages-en.js", "dom.js"])
async def test_leaving_while_the_page_loads_is_no_error(
    darkroom: StandaloneProcess, tab: Tab, script: str
) -> None:
    """What a browser drops then fails like this; the tab fails the test for any error."""
    await tab.page.route(f"**/static/{script}", lambda route: route.abort())
    async with tab.page.expect_event("requestfailed", lambda each: each.url.endswith(script)):
        await tab.page.goto(darkroom.url)
    await expect(tab.page.locator("#choose")).to_be_visible()
    await tab.page.goto("about:blank")


async def test_a_sample_that_cannot_be_loaded(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.context.set_offline(True)
    await page.locator("#sample").click()
    await expect(page.locator("#sample")).to_have_text(re.compile("cannot be loaded"))
    await page.context.set_offline(False)
    await page.locator("#sample").click()
    await expect(page.locator("#selected li")).to_have_count(1)


async def test_wait_for_a_full_queue(
    settings: Settings, store: Store, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_DEFAULT_RETRY_SECONDS", 2)
    async with serving(settings.replace(max_queue=1)) as url:
        page = await opened(tab, url)
        for name in ("long.png", "next.png"):
            await add(page, {name: images.png(20, 20, len(name) + ord(name[0]))})
            await start(page)
            if name == "long.png":
                await run(store, name)
            await expect(page.locator(".card .chip", has_text="running")).to_have_count(1)
        waiting = page.locator(".card .note", has_text="trying again in")
        await expect(waiting).to_contain_text("MAX_QUEUE")
        await tab.shots("upload-waiting")
        await page.get_by_role("button", name="Cancel: long.png").click()
        await finish(store, await created(store, "next.png"), images.png(40, 40))
        await ended(page, "done", 1)


async def test_wait_while_offline(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.context.set_offline(True)
    await add(page, {"offline.png": images.png(33, 33, 18)})
    await start(page)
    await expect(page.locator(".card .note")).to_contain_text("offline")
    await page.context.set_offline(False)
    await ended(page, "done", 1)


async def test_wait_for_an_unreachable_service(settings: Settings, store: Store, tab: Tab) -> None:
    port = free_port()
    async with serving(settings, port) as url:
        page = await opened(tab, url)
        await add(page, {"away.png": images.png(34, 34, 19)})
    await start(page)
    await expect(page.locator(".card .note")).to_contain_text("cannot be reached; trying again")
    async with serving(settings, port):
        await finish(store, await created(store, "away.png"), images.png(68, 68))
        await ended(page, "done", 1)


async def test_a_deleted_result(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await add(page, {"gone.png": images.png(39, 39, 20)})
    await start(page)
    await ended(page, "done", 1)
    darkroom.curl("-X", "DELETE", f"{darkroom.url}/processed/gone-upscale-x2.png")
    await page.reload()
    await ready(page)
    await expect(page.locator(".card .chip")).to_have_text("no longer stored")
    await tab.shots("upload-gone")
    await expect(page.get_by_role("link", name="Download")).to_have_count(0)
    await page.get_by_role("button", name="Retry: gone.png").click()
    await expect(page.get_by_role("link", name="Download")).to_have_count(1)
    await expect(page.locator(".card .chip")).to_have_text("done")
