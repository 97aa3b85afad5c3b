"""The pages in German, and the switch between the languages."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page, expect

from models.operations import OPERATIONS
from models.settings import Settings
from tests.browser.conftest import WIDTHS, Tab
from tests.browser.test_docs import keep
from tests.browser.test_upload import BYTES, COVERED
from tests.browser.test_upload_sets import HIDDEN
from tests.browser.upload_page import broken, card, drop, ended, opened, ready
from tests.support import api_key_clients, images
from tests.support.standalone_process import StandaloneProcess

_LANGUAGE = "document.documentElement.lang"
_SAID = """async ([kind, value]) => {
  const { tApi, tProblem } = await import("/static/text.js");
  return (kind === "api" ? tApi : tProblem)(value);
}"""
_FORMATTED = """async () => {
  const format = await import("/static/format.js");
  const { formatDuration, describeOperations } = format;
  return [
    format.formatSize(1_500_000), format.formatSize(12), format.formatNumber(1234567),
    formatDuration(2.25), formatDuration(172_800), formatDuration(86_400 * 2.9),
    format.formatDate(Date.UTC(2026, 0, 31, 12)).slice(0, 10),
    format.formatMebibytes(33_600_000, 33_554_432),
    describeOperations([{ op: "resize", scale: 0.5 }, { op: "blur", sigma: 1.25 }], "webp"),
    describeOperations([{ op: "upscale", scale: 2, quality: "best" }, { op: "newer", what: 1 }]),
  ];
}"""


_SPILLED = """() => [...document.querySelectorAll("body :not(svg, svg *)")]
  .filter((each) => each.checkVisibility() && each.clientWidth && each.textContent.trim())
  .filter((each) => !each.closest(".visually-hidden"))
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .filter((each) => getComputedStyle(each).overflowX === "visible" && each.tagName !== "HTML")
  .map((each) => `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`)"""


async def spilled(page: Page) -> list[str]:
    """Return the elements whose text is wider than they are, at each width."""
    found, before = [], page.viewport_size
    for width, height in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}: {each}" for each in await page.evaluate(_SPILLED)]
    if before:
        await page.set_viewport_size(before)
    return found


async def switch(page: Page, language: str) -> None:
    """Use the switch by the keyboard."""
    button = page.get_by_role("button", name=language, exact=True)
    await button.focus()
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.locator("[data-language]")).to_be_focused()


async def test_a_german_page_from_drop_to_result_and_the_switch(
    darkroom: StandaloneProcess, german_tab: Tab
) -> None:
    tab = german_tab
    page = await opened(tab, darkroom.url)
    assert await page.evaluate(_LANGUAGE) == "de"
    await page.locator("#demo img.after").evaluate("img => img.decode()")
    assert await page.evaluate(BYTES) < 150_000  # one language of them
    await tab.shots("german-empty")
    await drop(page, {"Straße.png": images.png(160, 120, 1), "kaputt.png": broken(), "a.txt": b"x"})
    await expect(page.locator("#refused .refused")).to_contain_text(
        "Kein Bild; angenommen wird nur"
    )
    await expect(page.locator("#start")).to_have_text("Hochskalieren: 2 Bilder")
    await expect(page.locator("#forecast")).to_contain_text("etwa")
    await expect(page.get_by_role("group", name="Qualität")).to_contain_text("ausgewogen")
    await page.set_viewport_size({"width": min(WIDTHS), "height": 844})
    for operation in reversed(OPERATIONS):
        await page.get_by_label("Bearbeitung", exact=True).select_option(operation)
        assert await page.locator('#options [lang="en"]').count() == 0  # all of it is translated
        assert await page.evaluate(_SPILLED) == [], operation
    await page.set_viewport_size({"width": 1440, "height": 900})
    await page.get_by_role("button", name="Zurücksetzen").click()
    assert await page.evaluate(COVERED) == []
    await tab.shots("german-chosen")
    assert await spilled(page) == []
    assert await tab.findings() == []
    # What is chosen survives the switch, as do results.
    await switch(page, "English")
    await ready(page)
    assert await page.evaluate(_LANGUAGE) == "en"
    await expect(page.locator("#start")).to_have_text("Upscale 2 pictures")
    await switch(page, "Deutsch")
    await ready(page)
    await page.locator("#start").click()
    await ended(page, "done", 1)
    await ended(page, "failed", 1)
    await expect(card(page, "Straße.png").locator(".chip")).to_have_text("fertig")
    failed = card(page, "kaputt.png").locator(".problem")
    await expect(failed.locator("> p")).to_have_text(
        "Das Bild ist beschädigt, unvollständig oder nicht lesbar."
    )
    await failed.locator("summary").click()
    await expect(failed.locator('p[lang="en"]')).to_contain_text("wrong checksum")
    await tab.shots("german-done")
    assert await spilled(page) == []
    assert await tab.findings() == []
    await card(page, "Straße.png").get_by_role("button", name="Große Ansicht").click()
    await expect(page.get_by_role("dialog").locator(".stage")).to_be_focused()
    await tab.shots("german-viewer", whole=False)
    assert await spilled(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Liste").click()
    await tab.shots("german-list")
    for width, height in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.locator(".set-table").evaluate(HIDDEN) <= 0, width
    await page.keyboard.press("?")
    await tab.shots("german-keys")
    await page.keyboard.press("Escape")
    await switch(page, "English")
    await ready(page)
    await expect(card(page, "Straße.png").locator(".chip")).to_have_text("done")
    cookies = await page.context.cookies()
    (cookie,) = (each for each in cookies if each["name"] == "darkroom_language")
    assert (cookie["value"], cookie["sameSite"], cookie["path"]) == ("en", "Lax", "/")


async def test_numbers_dates_and_what_the_api_says(client: Any, german_tab: Tab) -> None:
    page = german_tab.page
    await page.goto(str(client.make_url("/docs")))
    assert await page.evaluate(_FORMATTED) == [
        *("1,5 MB", "12 B", "1.234.567", "2,3 s", "2 Tage", "3 Tage", "31.01.2026", "32,04 MiB"),
        "Größe ändern ×0,5 → Weichzeichnen Sigma 1,25, als WebP",
        "Hochskalieren ×2, beste → Newer what 1",
    ]
    for value, text, language in (
        ("How many times wider and higher.", "Wie vielmal so breit und so hoch.", None),
        ("metadata was dropped: EXIF, XMP", "Metadaten wurden entfernt: EXIF, XMP", None),
        (
            "metadata was dropped: EXIF, comments",
            "Metadaten wurden entfernt: EXIF, Kommentare",
            None,
        ),
        (
            "the print resolution, 300 dpi, was dropped: WEBP (a|b) cannot hold it",
            "die Druckauflösung 300 dpi wurde entfernt: WEBP (a|b) kann sie nicht speichern",
            None,
        ),
        (
            "21 tasks failed in the last 15 min: bad_output 1",
            "21 Aufgaben in den letzten 15 min fehlgeschlagen: bad_output 1",
            None,
        ),
        (
            "quality=auto: JPEG quality about 72, noise 3.1 levels: photo",
            "quality=auto: JPEG-Qualität etwa 72, Rauschen 3,1 Stufen: Foto",
            None,
        ),
        ("of a newer API {x}", "of a newer API {x}", "en"),
        ("constructor", "constructor", "en"),
        ("", "", None),
    ):
        assert await page.evaluate(_SAID, ["api", value]) == {"text": text, "lang": language}
    for problem, text, language in (
        (
            {"code": "forbidden", "scope": "<i>"},
            "Diesem Schlüssel fehlt die Berechtigung <i>.",
            None,
        ),
        (
            {"code": "too_large", "measured": 34567890, "limit": 33554432},
            "34.567.890 Byte; höchstens 33.554.432 sind erlaubt.",
            None,
        ),
        (
            {"code": "too_large", "limit": 5},
            "Das ist zu groß; höchstens 5 Byte sind erlaubt.",
            None,
        ),
        (
            {"code": "rate_limited", "retry_after": None, "detail": "no"},
            "Zu viele Anfragen; bitte später erneut versuchen.",
            None,
        ),
        ({"code": "newer", "detail": "no"}, "no", "en"),
        ({"code": "constructor", "detail": "no"}, "no", "en"),
        ({"code": "page", "detail": "nein", "lang": "de-DE"}, "nein", None),
        ({"code": "page", "detail": "no", "lang": "en-GB"}, "no", "en-GB"),
    ):
        assert await page.evaluate(_SAID, ["problem", problem]) == {"text": text, "lang": language}


async def test_the_dashboard_and_the_reference_in_german(client: Any, german_tab: Tab) -> None:
    tab, page = german_tab, german_tab.page
    await page.goto(str(client.make_url("/dashboard")))
    await expect(page.locator("#connection")).to_have_text("verbunden")
    await expect(page.locator("#tasks")).to_contain_text("Noch keine Aufgaben")
    await expect(page.locator("#alerts")).to_contain_text("Kein Worker ist aktiv; neue Aufgaben")
    await tab.shots("german-dashboard")
    assert await spilled(page) == []
    assert await tab.findings() == []
    await page.goto(str(client.make_url("/docs")))
    await expect(page.get_by_role("heading", name="Erste Schritte")).to_be_visible()
    await keep(tab, "#post_process")
    await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    await tab.shots("german-docs", whole=False)
    assert await tab.findings("header, #getting-started, #post_process") == []


async def test_the_login_in_german(
    settings: Settings, aiohttp_client: Any, german_tab: Tab
) -> None:
    service = await api_key_clients.service_starter(settings, aiohttp_client)()
    tab, page = german_tab, german_tab.page
    await page.goto(str(service.client.make_url("/")))
    await page.get_by_label("API-Schlüssel").fill("dk_wrong")
    await page.get_by_role("button", name="Anmelden").click()
    await expect(page.get_by_role("alert")).to_contain_text("fehlt oder ist ungültig")
    await tab.shots("german-login")
    assert await tab.findings() == []
