"""``python -m docs.generate.screenshot``: write docs/screenshot.webp, the page after an upscale.

Starts a Darkroom with embedded stores, opens its page in Debian's chromium, upscales a photograph
of tests/photographs and takes a picture of the comparison. `make test` installs what it needs.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, ViewportSize, expect, sync_playwright

from bench.darkroom import run_darkroom

ROOT = Path(__file__).resolve().parent.parent.parent
PHOTOGRAPH = ROOT / "tests" / "photographs" / "chelsea.png"
TARGET = ROOT / "docs" / "screenshot.webp"

_WINDOW: ViewportSize = {"width": 1200, "height": 900}  # CSS pixels
_DIVIDER = "34"  # percent of the original: across the cat's eye
_MARGIN = 20  # CSS pixels below the card and the panel beside it
_WORK_SECONDS = 120


def upscale(page: Page, url: str, photograph: Path) -> None:
    """Upscale ``photograph`` with the best network; return when the comparison is on the page."""
    page.goto(url)
    expect(page.locator("body[data-ready]")).to_have_count(1)
    page.set_input_files("#files", photograph)
    page.get_by_role("radio", name="best").check()
    page.get_by_role("group", name="Scale").locator("input[value='3']").check()
    page.locator("#start").click()
    done = page.locator('.card[data-state="done"]')
    expect(done).to_have_count(1, timeout=_WORK_SECONDS * 1000)
    for shown in done.locator("img").all():
        shown.evaluate("img => img.decode()")
    done.get_by_role("slider").fill(_DIVIDER)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")  # no focus ring


def take(target: Path, photograph: Path) -> None:
    """Write the screenshot to ``target``.

    Raises:
        RuntimeError: chromium is not installed.
    """
    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("no chromium; `make test` installs it")
    # Chromium's sandbox does not start as root; the pages are ours.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with run_darkroom() as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport=_WINDOW, reduced_motion="reduce")
        upscale(page, url, photograph)
        boxes = [page.locator(each).bounding_box() for each in (".card", "#options")]
        bottom = max(box["y"] + box["height"] for box in boxes if box) + _MARGIN
        shown = FloatRect(x=0, y=0, width=_WINDOW["width"], height=bottom)
        taken = page.screenshot(full_page=True, clip=shown)
        Image.open(io.BytesIO(taken)).save(target, quality=90, method=6)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.generate.screenshot", description=__doc__)
    parser.add_argument("photograph", type=Path, nargs="?", default=PHOTOGRAPH)
    take(TARGET, parser.parse_args().photograph)


if __name__ == "__main__":
    main()
