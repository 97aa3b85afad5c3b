"""Browser fixtures: chromium driven by Playwright, against the real service.

These tests share one chromium, one driver of Playwright, and so one event loop, in which also
their services and stores live.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import Client, working
from tests.support.paths import ROOT

SHOTS = ROOT / "artefacts" / "screenshots" if os.environ.get("SCREENSHOTS") else None
"""Screenshots for people to look at, with SCREENSHOTS=1; ignored by git."""
WIDTHS = {390: 844, 820: 1180, 1440: 900}
"""Phone, tablet and desktop: height by width, in CSS pixels."""
INSECURE_NAME = "darkroom.example"
"""This machine's name; not loopback, so browsers treat plain http to it as insecure."""
_HERE = Path(__file__).parent
_ARGUMENTS = [
    "--headless",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-ipc-flooding-protection",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    f"--host-resolver-rules=MAP {INSECURE_NAME} 127.0.0.1",
    # Pages of the address bar, which each new context would load at a second of processor time.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]
"""The arguments that Playwright itself would use, as far as they matter; a name; fewer pages."""

expect.set_options(timeout=30_000)  # long, for a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one event loop."""
    for item in items:
        if _HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


_VIOLATIONS = "async given => (await axe.run(...given)).violations"
_OPTIONS = {"resultTypes": ["violations"], "selectors": False, "preload": False}
"""Less work: no selectors of what passes; no style sheets of other hosts, for a moderate rule."""


class Tab:
    """A browser page, and the errors in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.trouble: list[str] = []
        """Script errors and Content-Security-Policy violations."""
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("console", self._record_error)

    def _record_error(self, message: Any) -> None:
        # Error responses of the API appear here too; the pages show them themselves.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.trouble.append(f"console: {message.text}")

    async def shots(self, name: str, *, whole: bool = True) -> None:
        """Check that the page does not scroll sideways in any width.

        With SCREENSHOTS=1 take pictures, light and dark; ``whole``: full length. They take most of
        the time of these tests.
        """
        before = self.page.viewport_size
        for width, height in WIDTHS.items():
            await self.page.set_viewport_size({"width": width, "height": height})
            assert await self.overflow() <= 0, f"{name} scrolls sideways at {width}"
            if SHOTS is not None:
                for scheme in ("light", "dark"):
                    await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                    path = SHOTS / f"{name}-{width}-{scheme}.png"
                    await self.page.screenshot(path=path, full_page=whole)
                await self.page.emulate_media(color_scheme="light")
        if before:
            await self.page.set_viewport_size(before)

    async def overflow(self) -> int:
        """Return how many pixels the page is wider than the window."""
        root = "document.documentElement"
        return int(await self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    async def findings(self, context: str = "body", without: str = "") -> list[str]:
        """Return the serious and critical violations that axe-core finds within ``context``.

        ``without``: the selector of elements that are like others, to be passed over.
        In dark, only the rule that depends on colours runs again.
        """
        found = []
        rules: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (
            ("light", {}),
            ("dark", {"runOnly": ["color-contrast"]}),
        )
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(Axe().axe_script)
        for scheme, options in rules:
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            within = {"include": [context], **({"exclude": [without]} if without else {})}
            given = [within, _OPTIONS | options]
            violations = await self.page.evaluate(_VIOLATIONS, given)
            found += [
                f"{scheme}: {each['id']} ({each['impact']}): {node['html'][:200]}"
                for each in violations
                if each["impact"] in {"serious", "critical"}
                for node in each["nodes"]
            ]
        await self.page.emulate_media(color_scheme="light")
        return found


async def stop_accepting(server: TestServer) -> None:
    """Let ``server`` accept no more connections, so that it may be closed.

    Browsers open some whenever they like. One that is accepted in the moment in which its server is
    closed is never closed by CPython 3.11, which is a warning in the next test.
    """
    assert server.runner is not None
    for site in server.runner.sites:
        listening = cast(asyncio.Server, site._server)
        for each in listening.sockets:
            asyncio.get_running_loop().remove_reader(each.fileno())
    for _ in range(2):
        await asyncio.sleep(0)  # those that were accepted become connections, which are closed


@asynccontextmanager
async def serving(settings: Settings, port: int = 0) -> AsyncIterator[str]:
    """Serve the application in this process; gives its URL. ``port`` 0: any."""
    server = TestServer(create_app(settings), port=port)
    await server.start_server()
    try:
        yield str(server.make_url("/"))
    finally:
        await stop_accepting(server)
        await server.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one browser for all tests, since that takes seconds; yields its debugging URL."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no chromium; `make test` installs it"
    profile = tmp_path_factory.mktemp("chromium")
    arguments = [*_ARGUMENTS, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    # Chromium's sandbox does not start as root; the pages are trusted.
    arguments += ["--no-sandbox"] if os.getuid() == 0 else []
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{_port(profile, process)}"
    finally:
        process.terminate()
        process.wait(30)


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """Return the port that chromium chose, once it has written the file."""
    chosen, deadline = profile / "DevToolsActivePort", time.monotonic() + 60
    while not (chosen.exists() and chosen.read_text().strip()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError((profile / "log").read_text()[-4000:])
        time.sleep(0.05)
    return int(chosen.read_text().split()[0])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        connected = await driver.chromium.connect_over_cdp(chromium)
        yield connected
        await connected.close()


@pytest_asyncio.fixture(loop_scope="session")
async def store(settings: Settings) -> AsyncIterator[Store]:
    opened = await Store.open(settings)
    yield opened
    opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def aiohttp_client() -> AsyncIterator[Any]:
    async with AsyncExitStack() as opened:

        async def start(app: Application, **options: Any) -> Client:
            server = TestServer(app)
            started = await opened.enter_async_context(TestClient(server, **options))
            opened.push_async_callback(stop_accepting, server)
            return started

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def client(settings: Settings, aiohttp_client: Any) -> Client:
    connected: Client = await aiohttp_client(create_app(settings))
    return connected


@pytest_asyncio.fixture(loop_scope="session")
async def worker(settings: Settings) -> AsyncIterator[Any]:
    async with working(settings) as started:
        yield started


@asynccontextmanager
async def new_tab(browser: Browser, locale: str = "en-US") -> AsyncIterator[Tab]:
    """A new tab with empty storage; an error if a script of the page failed."""
    size: ViewportSize = {"width": 1440, "height": 900}
    context = await browser.new_context(viewport=size, accept_downloads=True, locale=locale)
    context.set_default_timeout(30_000)
    opened = Tab(await context.new_page())
    yield opened
    trouble = list(opened.trouble)
    # A script that was still being fetched fails here, which is no fault of the page.
    await context.close()
    assert trouble == []


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    async with new_tab(browser) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def german_tab(browser: Browser) -> AsyncIterator[Tab]:
    """A tab of a browser that asks for German."""
    async with new_tab(browser, "de-DE") as opened:
        yield opened
