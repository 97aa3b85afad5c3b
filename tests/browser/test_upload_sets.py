"""The upload page: pipelines, many pictures at once, and actions on sets."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, FilePayload, Locator, ViewportSize, expect

from tests.browser.conftest import Tab
from tests.browser.upload_page import add, broken, card, ended, opened, ready, start
from tests.support import images
from tests.support.standalone_process import StandaloneProcess

HIDDEN = "table => table.parentNode.scrollWidth - table.parentNode.clientWidth"
"""How many pixels of a table can be seen only by scrolling sideways."""
_STREAMS = """(() => {
  const connected = new Set();
  window.mostStreams = 0;
  window.EventSource = class extends EventSource {
    constructor(...given) {
      super(...given);
      connected.add(this);
      window.mostStreams = Math.max(window.mostStreams, connected.size);
    }
    close() {
      super.close();
      connected.delete(this);
    }
  };
})()"""
"""Count the event streams of the page that are open at the same time."""
_PLACE = """node => [
  Number(node.dataset.zoom),
  Number(node.querySelector(".after").style.transform.match(/-?[0-9.]+/)[0]),
]"""


async def test_build_a_pipeline(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    steps = page.locator("#steps .step")
    await steps.nth(0).get_by_label("Operation").select_option("grayscale")
    await page.get_by_role("button", name="Add a step").click()
    await steps.nth(1).get_by_label("Operation").select_option("resize")
    await steps.nth(1).get_by_label("Scale").fill("0.5")
    await page.get_by_role("button", name="Add a step").click()
    await steps.nth(2).get_by_label("Operation").select_option("rotate")
    await expect(page.locator("#plan")).to_have_text("Grayscale → Resize ×0.5 → Rotate angle 90")
    up = page.get_by_role("button", name="Move step 3 up")
    await up.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#plan")).to_have_text("Grayscale → Rotate angle 90 → Resize ×0.5")
    await expect(page.get_by_role("button", name="Move step 2 up")).to_be_focused()
    await tab.shots("upload-pipeline")
    assert await tab.findings() == []
    await page.get_by_role("button", name="Remove step 1").click()
    await expect(page.locator("#plan")).to_have_text("Rotate angle 90 → Resize ×0.5")
    formats = page.get_by_role("group", name="File format of the results")
    await formats.get_by_role("radio", name="webp").check()
    await page.get_by_text("Metadata", exact=True).click()
    await page.get_by_label("Metadata of the results").select_option("safe")
    author = Image.Exif()
    author[0x013B] = "Ada"
    await add(page, {"turned.png": images.png(80, 60, 21, exif=author)})
    await page.reload()
    await ready(page)
    await start(page, "Start with 1 picture")
    await ended(page, "done", 1)
    await expect(page.locator(".card .facts")).to_contain_text("30 × 40, WebP")
    answer = await page.request.get(f"{darkroom.url}/processed/turned.png")
    assert images.decoded(await answer.body()).getexif()[0x013B] == "Ada"


async def test_presets_and_both_sides_of_a_resize(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    plan, forecast = page.locator("#plan"), page.locator("#forecast")
    await add(page, {"small.png": images.png(80, 60, 28)})
    await page.get_by_role("button", name="Thumbnails 300 px, WebP").click()
    await expect(plan).to_have_text("Thumbnail 300 × 300, as WebP")
    await expect(page.get_by_label("Quality of the file")).to_be_visible()
    step = page.locator("#steps")
    await step.get_by_label("Operation").select_option("resize")  # works as it is
    await expect(forecast).to_contain_text("80 × 60 → 40 × 30")
    await step.get_by_label("Width").fill("60")
    await expect(step.get_by_label("Scale")).to_have_value("")
    await expect(step.get_by_label("Height")).to_have_attribute("placeholder", "45")
    await page.get_by_label("Quality of the file").fill("40")
    await page.get_by_role("button", name="Save as preset").click()
    await page.keyboard.type("Mine <b>")
    await page.keyboard.press("Enter")
    await expect(page.locator("#save-preset")).to_be_focused()
    assert await tab.findings() == []
    await page.get_by_role("button", name="Double for the web").click()
    await expect(plan).to_have_text("Upscale ×2, balanced, as WebP")
    await page.reload()
    await ready(page)
    mine = page.get_by_role("button", name="Mine <b>", exact=True)
    await mine.click()
    await expect(mine).to_have_attribute("aria-pressed", "true")
    async with page.expect_response("**/process") as taken:
        await start(page, "Resize 1 picture")
    assert '"quality": 40' in await (await taken.value).text()
    await ended(page, "done", 1)
    await expect(page.locator(".card .facts")).to_contain_text("60 × 45, WebP")
    await page.get_by_role("button", name="Delete the preset Mine <b>").click()
    await expect(mine).to_have_count(0)


async def test_a_number_or_a_word(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    step = page.locator("#steps")
    await step.get_by_label("Operation").select_option("convert")
    await step.get_by_role("radio", name="webp").check()
    await step.get_by_label("Quality").fill("lossless")
    await expect(step.locator("datalist option")).to_have_attribute("value", "lossless")
    await add(page, {"exact.png": images.png(40, 40, 27)})
    await start(page)
    await ended(page, "done", 1)
    answer = await page.request.get(f"{darkroom.url}/processed/exact-convert-lossless.webp")
    assert answer.headers["content-type"] == "image/webp"


async def test_strength_is_offered_where_it_counts(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    step = page.locator("#steps")
    strength = step.get_by_label("Strength")
    scales = await step.get_by_role("group", name="Scale").locator("label").all_inner_texts()
    assert scales[:3] == ["×2", "×3", "×4"]  # none for 1, at which restore works
    await expect(strength).to_be_hidden()
    await step.get_by_role("radio", name="auto").check()
    await strength.fill("60")
    await expect(page.locator("#plan")).to_have_text("Upscale ×2, auto, strength 60")
    await step.get_by_role("radio", name="fast").check()
    await expect(strength).to_be_hidden()
    await expect(page.locator("#plan")).to_have_text("Upscale ×2, fast")
    await step.get_by_label("Operation").select_option("restore")
    await strength.fill("60")
    await add(page, {"old.png": images.png(40, 40, 41)})
    await start(page)
    await ended(page, "done", 1)
    await expect(page.locator(".card .facts")).to_contain_text("40 × 40")


async def test_another_quality_has_no_strength(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.locator("#steps").get_by_role("radio", name="photo").check()
    await page.locator("#steps").get_by_label("Strength").fill("0")  # balanced alone
    await add(page, {"old.png": images.png(24, 24, 43)})
    await start(page)
    await ended(page, "done", 1)
    async with page.expect_response("**/process") as taken:
        await page.locator(".card").get_by_role("button", name="fast", exact=True).click()
    assert (await taken.value).status == 202
    await ended(page, "done", 2)


async def test_an_invalid_parameter_is_not_sent(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.locator("#steps").get_by_label("Operation").select_option("blur")
    kernel = page.locator("#steps").get_by_label("Kernel")
    assert await kernel.get_attribute("max") == "255"
    await kernel.fill("256")
    await add(page, {"blurred.png": images.png(40, 40, 22)})
    await start(page)
    await expect(kernel).to_be_visible()
    assert await kernel.evaluate("node => !node.validity.valid")
    await kernel.fill("24")  # the schema does not know this rule, the API does
    await start(page)
    await ended(page, "failed", 1)
    await expect(page.locator(".card .problem")).to_contain_text("23 or 25 would pass")


async def test_many_pictures_use_few_streams_and_one_zip(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    await tab.page.add_init_script(_STREAMS)
    page = await opened(tab, darkroom.url)
    files = {f"many-{n}.png": images.png(70, 60, n) for n in range(12)}
    await add(page, files | {"broken.png": broken()})
    await start(page, "Upscale 13 pictures")
    await ended(page, "done", 12)
    await ended(page, "failed", 1)
    await expect(page.locator("#announcer")).to_have_text("All finished: 12 done, 1 failed")
    await tab.shots("upload-many")
    assert await tab.findings(without='.card[data-state="done"]:nth-child(n + 3)') == []

    async def downloaded(button: str) -> list[str]:
        async with page.expect_download() as download:
            await page.get_by_role("button", name=button).click()
        made = Path(await (await download.value).path()).read_bytes()
        return zipfile.ZipFile(io.BytesIO(made)).namelist()

    names = await downloaded("Download all (zip)")
    # As a table: sorted, filtered, and some of them chosen.
    await page.get_by_role("button", name="List", exact=True).click()
    rows = page.locator(".set-table tbody tr")
    await expect(rows).to_have_count(13)
    by_name = page.get_by_role("columnheader", name="Name")
    await by_name.get_by_role("button").click()
    await expect(rows.first).to_contain_text("broken.png")
    await by_name.get_by_role("button").press("Enter")
    await expect(by_name).to_have_attribute("aria-sort", "descending")
    await expect(rows.first).to_contain_text("many-11.png")
    await expect(rows.first).to_contain_text(re.compile(r"done.*kB → .*kB.*[0-9] m?s"))
    await tab.shots("upload-table")
    # On a phone its columns fold into one block a picture, and it sorts as before.
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.locator(".set-table").evaluate(HIDDEN) <= 0
    titles = page.get_by_role("columnheader").get_by_role("button")
    await expect(titles).to_have_text(["Name", "State", "Size", "Time"])
    await expect(rows.first.get_by_role("cell").nth(1)).to_have_text("many-11.png")
    await titles.last.click()
    await expect(page.get_by_role("columnheader", name="Time")).to_have_attribute(
        "aria-sort", "ascending"
    )
    await titles.first.click()
    await page.set_viewport_size({"width": 1440, "height": 900})
    assert await tab.findings(".set-table", "tbody tr:nth-child(n + 3):nth-child(-n + 12)") == []
    for name in ("many-3.png", "many-10.png"):
        await page.get_by_role("checkbox", name=f"Choose {name}").check()
    chosen = await downloaded("Download 2 chosen (zip)")
    assert sorted(chosen) == ["many-10-upscale-x2.png", "many-3-upscale-x2.png"]
    await page.get_by_role("button", name="Only failed (1)").click()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("broken.png")
    assert sorted(names) == sorted(name.replace(".png", "-upscale-x2.png") for name in files)
    assert 0 < await page.evaluate("mostStreams") <= 2


async def test_results_by_email(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await add(page, {"post.png": images.png(35, 35, 23)})
    await start(page)
    await ended(page, "done", 1)
    await page.get_by_role("button", name="E-mail").click()
    field = page.get_by_label("Send the results to this address")
    await expect(field).to_be_focused()
    await field.fill("ann@localhost")
    await page.keyboard.press("Enter")
    news = page.locator(".mail [role=status]")
    await expect(news).to_contain_text("(bad_parameter)")
    await field.fill("ann@example.org")
    await page.keyboard.press("Enter")
    await expect(news).to_have_text("the e-mail is queued")
    outbox = darkroom.data_dir / "outbox"
    darkroom.until(
        lambda: any(b"ann@example.org" in f.read_bytes() for f in outbox.glob("*.eml")), "sent"
    )


async def test_the_same_picture_under_two_names(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    data = images.png(300, 200, 24)
    await add(page, {"twin-a.png": data, "twin-b.png": data})
    await start(page)
    await ended(page, "done", 2)
    for name in ("twin-a", "twin-b"):
        link = card(page, f"{name}.png").get_by_role("link", name="Download")
        await expect(link).to_have_attribute("href", f"/processed/{name}-upscale-x2.png?download=1")


async def test_history_is_kept_and_cleared(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    for name in ("first", "second"):
        await add(page, {f"{name}.png": images.png(36, 36, len(name))})
        await start(page)
        await expect(page.locator(".set .chip").first).to_have_text("done")
    await page.reload()
    await ready(page)
    await expect(page.locator(".set")).to_have_count(2)
    await ended(page, "done", 1)  # the newest set; older ones are closed
    await expect(card(page, "second.png").locator(".stage")).to_have_count(1)
    await page.locator(".set > summary").nth(1).click()
    await ended(page, "done", 2)
    await page.get_by_role("button", name="Clear history").click()
    await expect(page.locator(".set")).to_have_count(0)
    await expect(page.locator("#choose")).to_be_focused()
    await page.reload()
    await ready(page)
    await expect(page.locator(".set")).to_have_count(0)


async def test_use_the_same_pictures_again(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await add(page, {"again.png": images.png(37, 37, 25)})
    await start(page)
    await ended(page, "done", 1)
    await page.get_by_role("button", name="Use again").click()
    await expect(page.locator("#selected li")).to_have_count(1)
    await page.locator("#steps").get_by_role("radio", name="×3").check()
    await start(page)
    await expect(page.locator(".card .facts").first).to_contain_text("111 × 111")


async def test_polling_replaces_failed_streams(darkroom: StandaloneProcess, tab: Tab) -> None:
    page = await opened(tab, darkroom.url)
    await page.route("**/events*", lambda route: route.abort())
    await add(page, {f"asked-{n}.png": images.png(38, 38, n) for n in range(3)})
    await start(page)
    await ended(page, "done", 3)


async def test_touch_on_a_phone(darkroom: StandaloneProcess, browser: Browser) -> None:
    phone: ViewportSize = {"width": 390, "height": 844}
    context = await browser.new_context(viewport=phone, has_touch=True, is_mobile=True)
    tab = Tab(await context.new_page())
    page = await opened(tab, darkroom.url)
    await expect(page.get_by_text("Drop pictures here")).to_be_hidden()
    async with page.expect_file_chooser() as chooser:
        await page.locator("#choose").tap()
    given = [
        FilePayload(name=f"{name}.png", mimeType="image/png", buffer=images.png(300, 200, seed))
        for seed, name in enumerate(("phone", "other"))
    ]
    await (await chooser.value).set_files(given)
    # The frame is on the first picture whose size is known.
    await expect(page.locator("#selected li", has_text="300 × 200")).to_have_count(2)
    session = await context.new_cdp_session(page)

    async def touch(stage: Locator, *fingers: list[tuple[float, float]]) -> None:
        """Move one or two fingers along points, given from the middle of the stage."""
        box = await stage.bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for step, places in enumerate(zip(*fingers, strict=True)):
            points = [
                {"x": middle[0] + x, "y": middle[1] + y, "id": number}
                for number, (x, y) in enumerate(places)
            ]
            kind = "touchMove" if step else "touchStart"
            await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    # A finger at a corner of the crop frame; then the pictures are enlarged whole.
    step = page.locator("#steps")
    await step.get_by_label("Operation").select_option("crop")
    await step.locator(".cropping img").evaluate("img => img.decode()")
    corner = step.locator(".corner.se")
    await corner.evaluate("node => node.scrollIntoView({ block: 'center' })")
    await touch(corner, [(0, 0), (-30, -30), (-60, -60)])
    await expect(step.get_by_label("Width")).to_have_value(re.compile("^2[0-9]{2}$"))
    await step.get_by_label("Operation").select_option("upscale")
    # Chromium drops a tap that comes too soon after a finger that moved: clicks instead.
    await page.locator("#start").click()
    await ended(page, "done", 2)
    stage = card(page, "phone.png").locator(".stage:not(.loading)")
    await stage.scroll_into_view_if_needed()
    await touch(stage, [(0, 0), (-60, 0), (-240, 0)])
    await expect(stage.get_by_role("slider")).to_have_value("0")
    before = await stage.evaluate(_PLACE)
    await touch(stage, [(60, 60), (30, 60), (20, 60)])
    after = await stage.evaluate(_PLACE)
    assert after == [100, before[1] - 40]  # the finger moves the picture
    await touch(stage, [(-30, 60), (-50, 60), (-60, 60)], [(30, 60), (50, 60), (60, 60)])
    assert (await stage.evaluate(_PLACE))[0] == 200
    await page.get_by_role("button", name="Large view: phone.png").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Fit").click()
    await touch(dialog.locator(".stage"), [(60, 60), (20, 60), (-30, 60)])  # a swipe
    await expect(dialog.get_by_role("heading", name="other.png")).to_be_visible()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)
    for node in await page.locator("button:visible, a.button:visible, summary:visible").all():
        size = await node.bounding_box()
        assert size is not None
        assert size["height"] >= 44, await node.text_content()
    assert await tab.overflow() <= 0
    assert await tab.findings() == []
    assert tab.trouble == []
    await context.close()
