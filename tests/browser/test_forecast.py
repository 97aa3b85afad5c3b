"""The page expects the seconds that the service predicts."""

from __future__ import annotations

from typing import Any

import pytest

from models.images.inspect import ImageHeader, InputFormat, OutputFormat
from models.networks.catalogue import Catalogue
from models.operations import parse
from models.operations.steps import result_sizes
from models.work_estimate import estimate, listed_prices
from models.work_prices import Prices
from tests.browser.conftest import Tab
from tests.browser.upload_page import opened
from tests.support.standalone_process import StandaloneProcess

_SECONDS = """async ([picture, operations, format, prices]) =>
  (await import("/static/result-size.js")).taskSeconds(picture, operations, format, prices)"""
_PRICES = Prices({"upscale darkroom-best-x2": 3.0, "encode png": 0.5}, 2.0, 4.0)
_CASES: list[tuple[InputFormat, OutputFormat, list[tuple[str, dict[str, Any]]]]] = [
    ("jpeg", "jpeg", [("upscale", {"scale": 3, "quality": "balanced"})]),
    ("png", "webp", [("upscale", {"scale": 2, "quality": "best"})]),
    ("png", "png", [("upscale", {"scale": 2, "quality": "photo", "strength": 65})]),
    ("png", "png", [("upscale", {"scale": 2, "quality": "photo", "strength": 100})]),
    ("jpeg", "png", [("upscale", {"scale": 4, "quality": "auto", "strength": 65})]),
    ("jpeg", "png", [("restore", {"strength": 50})]),
    ("png", "webp", [("convert", {"format": "webp", "quality": "lossless"})]),
    ("png", "png", [("grayscale", {}), ("rotate", {"angle": 90}), ("upscale", {"scale": 2})]),
    ("png", "png", [("split", {}), ("grayscale", {})]),
    ("png", "png", [("smartcrop", {"ratio": "16:9"}), ("upscale", {"scale": 2})]),
    ("png", "png", [("smartcrop", {"width": 300, "height": 400}), ("upscale", {"scale": 4})]),
    ("png", "png", [("trim", {}), ("upscale", {"scale": 2})]),
]


async def test_expected_seconds_are_those_of_the_service(
    darkroom: StandaloneProcess, tab: Tab
) -> None:
    page = await opened(tab, darkroom.url)
    listed = listed_prices(Catalogue.read(None), _PRICES)
    for kind, output, asked in _CASES:
        operations = [parse(op, {**values}) for op, values in asked]
        results = result_sizes(operations, (2000, 1500), 10**9)
        parts = estimate(ImageHeader(kind, 2000, 1500), operations, output, results)
        picture = {"name": f"a.{kind}", "width": 2000, "height": 1500}
        steps = [{"op": op, **values} for op, values in asked]
        shown = await page.evaluate(_SECONDS, [picture, steps, output, listed])
        # The time to store the results is not counted by their pixels.
        assert shown == pytest.approx(_PRICES.seconds(parts), rel=0.15, abs=0.5), asked
    unknown = [{"op": "upscale", "scale": 2, "model": "unknown"}]
    assert await page.evaluate(_SECONDS, [picture, unknown, "png", listed]) is None


_PROGRESS = """async (moments) => {
  const { SetProgress } = await import("/static/set-progress.js");
  const pace = new SetProgress();
  const now = Date.now;
  let at = 0;
  Date.now = () => at * 1000;
  const shown = [];
  for (const [seconds, items] of moments) {
    at = seconds;
    const { share, left } = pace.of(items.map((item) => ({ task: { progress: 0 }, ...item })));
    shown.push([Math.round(100 * share), Math.round(left)]);
  }
  Date.now = now;
  return shown;
}"""
_WAITS, _DONE = {"state": "waiting"}, {"state": "done"}


async def test_an_upload_counts_as_long_as_it_takes(darkroom: StandaloneProcess, tab: Tab) -> None:
    """Each moment: seconds, the pictures of a set; then percents and seconds left."""
    page = await opened(tab, darkroom.url)
    sending = {"state": "sending", "sent": 0.5}
    accepted = {"state": "queued", "took": 9, "eta": 1}
    half = {"state": "working", "took": 9, "eta": 0.5, "task": {"progress": 50}}
    slow = [
        (0, [_WAITS, _WAITS]),
        (5, [sending, _WAITS]),  # a fifth is a guess
        (9, [accepted, _WAITS]),  # nine tenths are known
        (9.5, [half, sending]),
        (18, [_DONE, accepted]),
        (19, [_DONE, _DONE]),
    ]
    assert await page.evaluate(_PROGRESS, slow) == [
        *([0, 0], [5, 0], [45, 11], [70, 4], [95, 1], [100, 0]),
    ]
    # Beside long work the upload is next to nothing, and what was shown is not taken back.
    fast = [
        (0, [sending, sending]),
        (1, [{"state": "queued", "took": 1, "eta": 99}, sending]),
        (50, [{"state": "working", "task": {"progress": 50}, "eta": 50}, accepted]),
        (60, [{"state": "failed"}, {"state": "failed"}]),
        (61, [_WAITS, {"state": "failed"}]),  # a retry begins anew
    ]
    assert await page.evaluate(_PROGRESS, fast) == [
        *([10, 0], [10, 0], [26, 50], [100, 0], [50, 0]),
    ]
    assert await page.evaluate(_PROGRESS, [(0, [])]) == [[0, 0]]
