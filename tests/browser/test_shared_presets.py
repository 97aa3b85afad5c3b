"""Presets of PRESETS_FILE on the upload page."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from models.settings import Settings
from tests.browser.conftest import Tab, serving
from tests.browser.upload_page import add, opened, start
from tests.support import images

PRESETS = """
[shop-photo]
description = "Square pictures"
operations = ["smartcrop=4:3", "watermark=© Ada"]
format = "webp"
quality = 60
metadata = "safe"

[at-most]
operations = ["smartcrop"]
format = "jpg"
max_bytes = 9000

[as-sent-at-most]
operations = ["smartcrop"]
max_bytes = 9000
"""


async def test_presets_of_the_service(settings: Settings, tmp_path: Path, tab: Tab) -> None:
    file = tmp_path / "presets.toml"
    file.write_text(PRESETS)
    async with serving(settings.replace(presets_file=file)) as url:
        page = await opened(tab, url)
        await add(page, {"cat.png": images.png(80, 60)})
        shop = page.get_by_role("button", name="shop-photo", exact=True)
        await expect(shop).to_have_attribute("title", "Square pictures")
        await expect(page.get_by_role("button", name="as-sent-at-most")).to_have_count(0)
        await shop.click()
        await expect(shop).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#steps").get_by_label("Text (required)")).to_have_value("© Ada")
        await expect(page.locator("#forecast")).to_contain_text("80 × 60")
        assert await tab.findings() == []
        await tab.shots("shared-presets")
        async with page.expect_response("**/process") as taken:
            await start(page, "Start with 1 picture")
        answer = await taken.value
        body = await answer.json()
        assert (answer.status, [each["op"] for each in body["operations"]]) == (
            202,
            ["smartcrop", "watermark", "convert"],
        )
        assert body["operations"][2] == {"op": "convert", "format": "webp", "quality": 60}
        await add(page, {"dog.png": images.png(80, 60, 2)})
        await page.get_by_role("button", name="at-most", exact=True).click()
        async with page.expect_response("**/process") as taken:
            await start(page, "Start with 1 picture")
        asked = (await (await taken.value).json())["operations"]
        assert (asked[1]["format"], asked[1]["max_bytes"]) == ("jpeg", 9000)
