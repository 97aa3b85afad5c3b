"""A real browser over the real service: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

SHOTS = Path(__file__).parents[2] / "artefacts" / "screenshots"
"""Kept for people to look at; ignored by git."""
WIDTHS = {390: 844, 820: 1180, 1440: 900}
"""A phone, a tablet and a desk: width and height in CSS pixels."""


class Tab:
    """A page of the browser, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.trouble: list[str] = []
        """Errors of scripts, and what the Content-Security-Policy refused."""
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("console", self._said)

    def _said(self, message: Any) -> None:
        # Answers of the API that are refusals are said here, too; pages show them on their own.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.trouble.append(f"console: {message.text}")

    async def shots(self, name: str) -> None:
        """Take screenshots of the whole page in all widths, light and dark."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        for width, height in WIDTHS.items():
            await self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                path = SHOTS / f"{name}-{width}-{scheme}.png"
                await self.page.screenshot(path=path, full_page=True)
                assert await self.overflow() <= 0, f"{name} scrolls sideways at {width}"
        await self.page.emulate_media(color_scheme="light")
        if before:
            await self.page.set_viewport_size(before)

    async def overflow(self) -> int:
        """Return how many pixels the page is wider than the window."""
        root = "document.documentElement"
        return int(await self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    async def findings(self) -> list[str]:
        """Return what axe-core finds that is serious or worse, in light and in dark."""
        found = []
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            answer = (await Axe().run(self.page)).response
            found += [
                f"{scheme}: {each['id']} ({each['impact']}): {node['html'][:200]}"
                for each in answer["violations"]
                if each["impact"] in {"serious", "critical"}
                for node in each["nodes"]
            ]
        await self.page.emulate_media(color_scheme="light")
        return found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no chromium; `make test` installs it"
    # The sandbox of chromium does not start as root; the pages are ours.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    async with async_playwright() as driver:
        started = await driver.chromium.launch(executable_path=program, args=arguments)
        yield started
        await started.close()


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    """A fresh tab with an empty storage; the test fails if a script of the page did."""
    size: ViewportSize = {"width": 1440, "height": 900}
    context = await browser.new_context(viewport=size, accept_downloads=True)
    context.set_default_timeout(30_000)
    opened = Tab(await context.new_page())
    yield opened
    await context.close()
    assert opened.trouble == []
