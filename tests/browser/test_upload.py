"""The upload page: from drop to download."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.async_api import FileChooser, Page, expect

from tests.browser.conftest import Tab
from tests.browser.upload_page import add, card, drop, ended, opened, paste, ready, start
from tests.support import images
from tests.support.standalone_process import StandaloneProcess

BYTES = """performance.getEntries()
  .reduce((sum, { encodedBodySize = 0 }) => sum + encodedBodySize, 0)"""
"""What the page has loaded, as it came over the wire."""
_SCRIPTS = """(() => {
  const entries = performance.getEntriesByType("resource");
  const scripts = entries.filter(({ name }) => name.endsWith(".js"));
  const { modules, imported } = document.querySelector("script").dataset;
  return {
    at: Object.fromEntries(scripts.map((each) => [each.name.split("/").at(-1), each.startTime])),
    said: `${modules} ${imported}`.split(" "),
    paint: performance.getEntriesByName("first-paint")[0].startTime,
  };
})()"""
"""When each script was asked for; those that the page names; when the first frame was drawn."""


COVERED = """() => {
  const { bottom } = document.querySelector("#options").getBoundingClientRect();
  const { top } = document.querySelector(".go").getBoundingClientRect();
  if (bottom > innerHeight) return ["#options"];
  const all = [...document.querySelectorAll(".presets button, .step .choices, #format")];
  const below = all.filter((each) => each.getBoundingClientRect().bottom > top);
  return below.map((each) => each.textContent);
}"""
"""What lies below the button to start, or it below the window, before anything is scrolled."""


async def saved(page: Page, link: Any) -> bytes:
    async with page.expect_download() as download:
        await link.click()
    return Path(await (await download.value).path()).read_bytes()


async def test_programs_get_text_and_browsers_the_page(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    assert darkroom.curl(darkroom.url).startswith("Darkroom: send pictures")
    head = darkroom.curl("-si", "-H", "Accept: text/html", darkroom.url)
    assert re.search(r"(?im)^vary: accept, accept-language, cookie\r?$", head)
    assert "script-src 'self'" in head
    await opened(tab, darkroom.url)
    await expect(tab.page.locator("#choose")).to_be_visible()
    await expect(tab.page.locator("#demo .stage")).to_be_visible()
    await tab.page.locator("#demo img.after").evaluate("img => img.decode()")
    assert await tab.page.evaluate(BYTES) < 150_000
    await tab.shots("upload-empty")
    assert await tab.findings() == []


async def test_scripts_wait_for_the_first_frame(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    scripts = await page.evaluate(_SCRIPTS)
    scripts["at"].pop("first-paint.js")
    assert min(scripts["at"].values()) > scripts["paint"]
    assert scripts["at"].keys() == {*scripts["said"]}  # so they come at once
    # In the background no frame is drawn, and the uploads of a restored tab go on all the same.
    await page.add_init_script("Object.defineProperty(document, 'hidden', { value: true })")
    await page.reload()
    await ready(page)


async def test_colours_shortcuts_and_focus(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_label("Colours").select_option("Dark")
    dark = await page.evaluate(ground)
    assert dark != light
    await page.reload()
    await ready(page)
    assert await page.evaluate(ground) == dark  # the page remembers it
    await page.get_by_label("Colours").select_option("Auto")
    assert await page.evaluate(ground) == light
    # Focus that a script moves shows no ring to the mouse, and one to the keyboard.
    ring = "getComputedStyle(document.activeElement).outlineStyle"
    await drop(page, {"x.png": images.png(20, 20, 1)})
    await expect(page.locator("#start")).to_be_focused()
    assert await page.evaluate(ring) == "none"
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Tab")
    assert await page.evaluate(ring) == "solid"
    await page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(keys).to_be_visible()
    assert await tab.findings("dialog") == []
    await page.keyboard.press("Escape")
    await expect(keys).to_be_hidden()
    await expect(page.locator("#start")).to_be_focused()
    # Installable: a browser reads the manifest without complaint.
    session = await page.context.new_cdp_session(page)
    manifest = await session.send("Page.getAppManifest")
    assert manifest["errors"] == [] and '"name": "Darkroom"' in manifest["data"]


async def test_drop_compare_and_download(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    files = {"cat.png": images.png(160, 120, 1), "dog.jpg": images.jpeg(150, 150, 2)}
    await drop(page, files)
    await expect(page.locator("#selected li")).to_have_count(2)
    await tab.shots("upload-chosen")
    assert await tab.findings() == []
    forecast = page.locator("#forecast")
    await expect(forecast).to_contain_text("160 × 120 → 320 × 240")
    await expect(forecast).to_contain_text(re.compile(r"[0-9] kB → about [0-9.]+ kB"))
    quality = page.get_by_role("group", name="Quality")
    await expect(quality.get_by_text(re.compile(r"[0-9] m?s"))).to_have_count(5)
    assert await page.evaluate(COVERED) == []
    await start(page, "Upscale 2 pictures")
    await ended(page, "done", 2)
    cat = card(page, "cat.png")
    await expect(cat.locator(".facts")).to_contain_text("320 × 240, PNG")
    await expect(cat.locator(".facts")).to_contain_text(re.compile(r"[0-9] kB → [0-9.]+ kB"))
    slider = cat.get_by_role("slider")
    await slider.focus()
    cut = "node => getComputedStyle(node).getPropertyValue('--cut')"
    assert await cat.locator(".stage").evaluate(cut) == "50%"
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("PageUp")
    assert await cat.locator(".stage").evaluate(cut) == "61%"
    assert await slider.get_attribute("aria-valuetext") == "61 % original"
    box = await cat.locator(".stage").bounding_box()
    assert box is not None
    at = box["x"] + box["width"] * 0.61
    await page.mouse.move(at, box["y"] + 20)
    await page.mouse.down()
    await page.mouse.move(at - box["width"] * 0.36, box["y"] + 20)
    await page.mouse.up()
    assert await cat.locator(".stage").evaluate(cut) == "25%"
    await tab.shots("upload-done")
    assert await tab.findings() == []
    data = await saved(page, cat.get_by_role("link", name="Download"))
    assert images.decoded(data).size == (320, 240)
    url = await cat.get_by_role("link", name="Download").get_attribute("href")
    assert url is not None
    etag = re.search(r'(?im)^etag: "(\w+)"', darkroom.curl("-sI", f"{darkroom.url}{url}"))
    assert etag is not None
    assert etag.group(1) == hashlib.sha256(data).hexdigest()


def detailed(side: int, corner: tuple[int, int]) -> bytes:
    """Return a PNG that is gray but for a quarter with a pattern, at ``corner`` (left, top)."""
    pixels = np.full((side, side, 3), 128, np.uint8)
    left, top = corner
    noise = np.random.default_rng(1).integers(0, 256, (side // 4, side // 4, 3), np.uint8)
    pixels[top : top + side // 4, left : left + side // 4] = noise
    return images.encoded(Image.fromarray(pixels))


_VIEW = """node => {
  const { width, transform } = node.querySelector(".after").style;
  const [x, y] = transform.match(/-?[0-9.]+/g).map(Number);
  return { zoom: Number(node.dataset.zoom), width: parseFloat(width), x, y };
}"""


async def test_the_viewer_by_mouse_and_keys(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.set_viewport_size({"width": 700, "height": 500})  # smaller than the result
    small = {"b.png": images.png(90, 80, 3), "icon.png": images.png(16, 8, 3)}
    await add(page, {"a.png": detailed(600, (440, 30))} | small)
    await start(page)
    await ended(page, "done", 3)
    await card(page, "a.png").get_by_role("button", name="Large view").click()
    dialog = page.get_by_role("dialog")
    stage = dialog.locator(".stage")
    await expect(stage).to_be_focused()
    await expect(stage.locator(".map canvas")).to_be_visible()
    # 100 % of the result, at the patterned part.
    opened_at = await stage.evaluate(_VIEW)
    box = await stage.bounding_box()
    assert box is not None
    assert (opened_at["zoom"], opened_at["width"]) == (100, 1200)
    middle = (box["width"] / 2 - opened_at["x"], box["height"] / 2 - opened_at["y"])
    assert middle[0] >= 780 and middle[1] <= 260
    assert await tab.findings() == []
    # Drag, wheel, double click; what is under the pointer stays there.
    x, y = box["x"] + 60, box["y"] + 70
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 50, y + 20)
    await page.mouse.up()
    dragged = await stage.evaluate(_VIEW)
    assert dragged["x"] == opened_at["x"] + 50
    await page.mouse.wheel(0, -240)
    await expect(stage).to_have_attribute("data-zoom", "147")
    closer = await stage.evaluate(_VIEW)
    scale = closer["width"] / 1200
    assert abs((110 - dragged["x"]) * scale - (110 - closer["x"])) <= 1.5
    await page.mouse.dblclick(x, y)
    assert (await stage.evaluate(_VIEW))["zoom"] == 100
    # A click on the minimap shows that part, here the lower right corner.
    small_copy = await stage.locator(".map").bounding_box()
    assert small_copy is not None
    await page.mouse.click(
        small_copy["x"] + small_copy["width"] - 4, small_copy["y"] + small_copy["height"] - 4
    )
    corner = await stage.evaluate(_VIEW)
    assert corner["x"] == round(box["width"] - 1200) and corner["y"] == round(box["height"] - 1200)
    # Keys: to the limits, crisp from 200 % on; fitted; side by side; the next picture.
    for key, zoom, crisp in (("+", 800, 1), ("-", 25, 0)):
        for _ in range(17):
            await page.keyboard.press(key)
        assert (await stage.evaluate(_VIEW))["zoom"] == zoom
        await expect(stage.locator(".after.crisp")).to_have_count(crisp)
    await expect(stage.locator(".before.crisp")).to_have_count(0)  # as a browser enlarges it
    await page.keyboard.press("0")
    fitted = await stage.evaluate(_VIEW)
    assert abs(fitted["width"] - min(box["width"], box["height"])) < 1
    await page.keyboard.press("s")
    await expect(dialog.get_by_role("button", name="Side by side")).to_have_attribute(
        "aria-pressed", "true"
    )
    await expect(dialog.get_by_role("slider")).to_be_hidden()
    assert await tab.findings("dialog") == []
    await page.keyboard.press("s")
    await tab.shots("upload-large")
    await page.keyboard.press("ArrowRight")
    await expect(dialog.get_by_role("heading", name="b.png")).to_be_visible()
    await expect(stage).to_be_focused()
    await expect(stage).to_have_attribute("data-zoom", "100")
    # What would lie under the handle of the divider opens enlarged.
    await page.keyboard.press("ArrowRight")
    await expect(stage).to_have_attribute("data-zoom", "500")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    large = card(page, "a.png").get_by_role("button", name="Large view")
    await expect(large).to_be_focused()


async def test_another_quality_is_made_and_compared(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await add(page, {"both.png": images.png(64, 48, 7)})
    await start(page)
    await ended(page, "done", 1)
    await card(page, "both.png").get_by_role("button", name="fast", exact=True).click()
    await expect(page.locator(".set")).to_have_count(2)
    newest = page.locator(".set").first
    await expect(newest.locator("> summary")).to_be_focused()
    await expect(newest.locator(".chip").first).to_have_text("done")
    # At the left stands what it was asked for beside, not the original.
    left = newest.get_by_label("Left")
    await expect(left.locator("option:checked")).to_have_text("Upscale ×2, balanced")
    shown = newest.locator(".stage img.before")
    await expect(shown).to_have_attribute("src", re.compile("^/processed/both-upscale-x2"))
    await expect(shown).to_have_attribute("alt", "both.png: Upscale ×2, balanced")
    await expect(newest.get_by_role("button", name="fast", exact=True)).to_have_count(0)


async def test_the_sample_image(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.get_by_role("button", name="Try it with a cat").press("Enter")
    await expect(page.locator("#start")).to_be_focused()
    await page.keyboard.press("Enter")
    await ended(page, "done", 1)
    await expect(page.locator(".card .facts")).to_contain_text("384 × 384, JPEG")


async def test_a_pasted_picture(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await paste(page, "image.png", images.png(50, 40, 4))
    await expect(page.locator("#selected li")).to_have_count(1)
    await start(page)
    await ended(page, "done", 1)


async def test_results_of_another_shape_stand_beside_the_original(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    page = await opened(tab, darkroom.url)
    await page.locator("#steps").get_by_label("Operation").select_option("split")
    await add(page, {"quarters.png": images.png(121, 90, 5)})
    await start(page, "Split 1 picture")
    await ended(page, "done", 1)
    await expect(page.locator(".card .pair img")).to_have_count(5)
    await expect(page.locator(".card .stage")).to_have_count(0)
    links = page.get_by_role("link", name="Download")
    await expect(links).to_have_count(4)
    assert images.decoded(await saved(page, links.nth(1))).size == (61, 45)
    await tab.shots("upload-split")
    assert await tab.findings() == []


async def test_a_crop_of_the_same_proportions_is_shown_as_a_pair(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    page = await opened(tab, darkroom.url)
    step = page.locator("#steps")
    await step.get_by_label("Operation").select_option("crop")
    await add(page, {"whole.png": images.png(120, 90, 5)})
    await expect(step.locator(".cropping .frame")).to_be_visible()
    await step.get_by_label("Width").fill("100")  # the frame follows the fields
    await step.get_by_label("Height").fill("90")
    await step.get_by_role("radio", name="4:3").check()  # and the fields the frame
    await expect(step.get_by_label("Height")).to_have_value("75")
    image = step.locator(".cropping img")
    await image.evaluate("img => img.decode()")  # it has its size from then on
    box = await image.bounding_box()
    corner = await step.locator(".corner.se").bounding_box()
    assert box is not None and corner is not None
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x - box["width"] / 3, y)
    await page.mouse.up()
    await expect(step.get_by_label("Width")).to_have_value("60")
    await expect(step.get_by_label("Height")).to_have_value("45")
    await expect(page.locator("#forecast")).to_contain_text("120 × 90 → 60 × 45")
    assert await tab.findings() == []
    await start(page)
    await ended(page, "done", 1)
    await expect(page.locator(".card .pair img")).to_have_count(2)
    await expect(page.locator(".card .stage")).to_have_count(0)


async def test_keyboard_only(darkroom: StandaloneProcess, tab: Tab, tmp_path: Path) -> None:
    page = await opened(tab, darkroom.url)
    picture = tmp_path / "keys.png"
    picture.write_bytes(images.png(60, 50, 6))

    async def walk(role: str, name: str) -> None:
        wanted = page.get_by_role(role, name=name).first  # type: ignore[arg-type]
        for _ in range(40):
            if await wanted.evaluate("node => node === document.activeElement"):
                return
            await page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not come to {name}")

    # Listen before the walk, since the driver needs a moment to catch the dialog.
    chooser: asyncio.Future[FileChooser] = asyncio.get_running_loop().create_future()

    def caught(opened: FileChooser) -> None:
        chooser.set_result(opened)

    page.once("filechooser", caught)
    await walk("link", "Skip to the content")
    await walk("button", "Choose pictures")
    await page.keyboard.press("Enter")
    await (await asyncio.wait_for(chooser, 30)).set_files(picture)
    await walk("button", "Upscale 1 picture")
    await page.keyboard.press("Space")
    await ended(page, "done", 1)
    await walk("slider", "keys.png")
    await walk("link", "Download: keys-upscale-x2.png")
    async with page.expect_download() as download:
        await page.keyboard.press("Enter")
    data = Path(await (await download.value).path()).read_bytes()
    assert images.decoded(data).size == (120, 100)
