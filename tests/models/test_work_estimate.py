"""Predicted work: what counts, what is refused, and what is learned from finished tasks."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import TooMuchWork
from models.images.inspect import ImageHeader
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS, parse
from models.operations.steps import result_sizes
from models.store import Store
from models.tasks.task import Work
from models.work_estimate import estimate, listed_prices, network_part, plan, steps
from models.work_prices import Prices, runs_network
from tests.support.task_factory import create

PHOTOGRAPH = ImageHeader("jpeg", 4000, 3000)


BEST = "upscale darkroom-best-x2"


def reference(
    *operations: tuple[str, dict[str, Any]], header: ImageHeader = PHOTOGRAPH, part: str = ""
) -> float:
    """Return the seconds of all parts, or of ``part``."""
    parsed = [parse(op, parameters) for op, parameters in operations]
    sizes = result_sizes(parsed, (header.width, header.height), 10**9)
    return sum(each for name, each in estimate(header, parsed, "jpeg", sizes) if part in name)


def test_networks_and_pixels_make_the_work() -> None:
    thumbnail = reference(("thumbnail", {"width": "200"}))
    fast = reference(("upscale", {"quality": "fast"}))
    best = reference(("upscale", {"quality": "best"}))
    assert thumbnail < 1 < fast < best
    assert best > 80
    twice = reference(("upscale", {"quality": "best"}), ("upscale", {"quality": "best"}))
    assert twice > 4.5 * best  # the second has four times the pixels


def test_large_networks_are_known_before_they_ran() -> None:
    seconds = {
        model: reference(("upscale", {"model": model, "scale": "4"}))
        for model in ("realesr-general-x4v3", "darkroom-best", "realesrgan-x4plus", "EDSR")
    }
    assert list(seconds) == sorted(seconds, key=lambda model: seconds[model])
    assert seconds["realesrgan-x4plus"] > 10 * seconds["darkroom-best"]
    plan([("upscale realesr-general-x4v3-x4", seconds["realesr-general-x4v3"])], Prices(), 900)
    with pytest.raises(TooMuchWork):
        plan([("upscale EDSR-x4", seconds["EDSR"])], Prices(), 900)


def test_both_networks_of_photo_count() -> None:
    photo, faithful = (
        reference(("upscale", {"quality": "photo", "strength": strength})) for strength in (100, 0)
    )
    assert faithful == reference(("upscale", {}))
    assert photo > 2 * faithful
    both = reference(("upscale", {"quality": "photo"}))
    assert max(photo, faithful) < both < photo + faithful
    # Which of them it takes is not known before.
    auto = reference(("upscale", {"quality": "auto"}))
    assert faithful < auto < both
    assert reference(("upscale", {"quality": "auto", "strength": 100})) == auto
    assert reference(("restore", {"strength": 0})) < 0.2 * reference(("restore", {}))
    names = {
        name
        for op, asked in (
            ("upscale", {"quality": "photo"}),
            ("upscale", {"quality": "photo", "strength": 100}),
            ("upscale", {"quality": "auto"}),
            ("restore", {}),
        )
        for name, _ in estimate(PHOTOGRAPH, [parse(op, {**asked})], "png", [(8000, 6000)])
        if runs_network(name)
    }
    assert names == {
        "upscale darkroom-photo-x2",
        "upscale darkroom-balanced-x2",
        "upscale darkroom-auto-x2",
        "restore darkroom-photo-x1",
    }


def test_parts_are_those_that_the_stages_measure() -> None:
    pipeline = [parse("grayscale", {}), parse("upscale", {"quality": "fast", "scale": "3"})]
    parts = dict(estimate(PHOTOGRAPH, pipeline, "png", [(12000, 9000)]))
    assert list(parts) == [
        "store",
        "decode jpeg",
        "grayscale",
        "upscale darkroom-fast-x3",
        "encode png",
    ]
    assert parts["encode png"] == pytest.approx(9 * 12 * 0.08, rel=0.5)
    lossless = [parse("convert", {"format": "webp", "quality": "lossless"})]
    assert "encode lossless" in dict(estimate(PHOTOGRAPH, lossless, "webp", [(4000, 3000)]))
    # The same operation twice is one part.
    twice = dict(estimate(PHOTOGRAPH, [parse("blur", {})] * 2, "png", [(4000, 3000)]))
    once = dict(estimate(PHOTOGRAPH, [parse("blur", {})], "png", [(4000, 3000)]))
    assert twice["blur"] == 2 * once["blur"]


def test_cost_of_an_operation_counts() -> None:
    small = reference(("blur", {"kernel": "3"}), part="blur")
    assert reference(("blur", {"kernel": "255"}), part="blur") > 10 * small
    assert reference(("blur", {"sigma": "40"}), part="blur") > 10 * small
    # A JPEG is decoded at a part of its size where that is enough.
    thumbnail = reference(("thumbnail", {"width": "200"}), part="decode smaller")
    assert 0 < thumbnail < reference(("rotate", {"angle": "90"}), part="decode jpeg") / 2
    assert not reference(("thumbnail", {"width": "900"}), part="decode smaller")


def test_steps_of_a_pipeline_are_in_its_order() -> None:
    pipeline = [parse("split", {}), parse("upscale", {"quality": "best"})]
    sizes = result_sizes(pipeline, (4000, 3000), 10**9)
    found = steps(PHOTOGRAPH, pipeline, "webp", sizes)
    assert [[name for name, _ in parts] for parts in found] == [
        ["decode jpeg"],
        ["split"],
        ["upscale darkroom-best-x2"],
        ["encode webp"],
    ]
    best = found[2][0][1]
    assert best == reference(("upscale", {"quality": "best"}), part="upscale darkroom-best-x2")


@pytest.mark.parametrize(
    ("seconds", "factor", "turns", "short"),
    [
        (0.5, 1, 1, True),
        (0.5, 3, 1, False),
        (9.9, 1, 1, False),
        (25, 1, 3, False),
        (25, 2, 6, False),
    ],
)
def test_turns_of_a_task(seconds: float, factor: float, turns: int, short: bool) -> None:
    work = plan([(BEST, seconds)], Prices({BEST: factor}), 900)
    assert (work.turns, work.short, work.networks) == (turns, short, True)
    assert (work.parts, work.seconds) == ([(BEST, seconds)], factor * seconds)


def test_slow_stores_are_no_work_of_a_child() -> None:
    work = plan([("store", 1.0), ("decode png", 0.1)], Prices({"store": 5000.0}), 900)
    assert (work.turns, work.short) == (1, True)
    assert work.seconds == pytest.approx(5000.1)


def test_work_beyond_the_timeout_is_refused() -> None:
    plan([(BEST, 1800)], Prices(), 900)
    with pytest.raises(TooMuchWork, match="a picture of 25% of the pixels passes") as refused:
        plan([(BEST, 1800)], Prices({BEST: 2.0}), 900)
    assert refused.value.facts == {"setting": "TASK_TIMEOUT", "limit": 900, "measured": 3600}


def test_listed_prices_are_those_of_this_machine() -> None:
    catalogue = Catalogue.read(None)
    cold = listed_prices(catalogue, Prices())
    for w in catalogue.available():
        assert network_part("upscale" if w.scale > 1 else "restore", w.name, w.scale) in cold
    best, fast, auto = (f"upscale darkroom-{name}-x2" for name in ("best", "fast", "auto"))
    assert cold["upscale darkroom-balanced-x2"] < cold[auto]
    warm = listed_prices(catalogue, Prices({best: 3.0}, usual_network=0.5))
    assert (warm[best], warm[fast]) == (3 * cold[best], 0.5 * cold[fast])
    assert {*OPERATIONS} - {"upscale", "restore"} <= cold.keys()


async def finish(store: Store, number: int, work: Work, stages: dict[str, float]) -> None:
    task_id = await create(store, number, work=work, client=f"c{number}")
    claim: Any = {"worker": "w", "token": "t", "seconds": 60, "max_attempts": 3}
    assert await store.leases.claim(task_id, **claim)
    assert await store.leases.finish(task_id, "t", [], None, stages)


async def test_prices_are_learned_from_finished_tasks(store: Store) -> None:
    assert await store.measured_tasks.prices() == Prices()
    # A user's own network may have dots in its name.
    work = Work(parts=[("upscale my.net-x2", 0.5), ("encode png", 0.1)], networks=True)
    for number, spent in enumerate((1000, 3000, 2000)):
        stages = {"fetch": 10.0, "wait": 900.0, "upscale": float(spent), "encode": 50.0}
        await finish(store, number, work, stages)
    await finish(store, 5, Work(), {"upscale": 9e9})  # of an older version
    assert await store.measured_tasks.prices() == Prices()  # for some seconds
    store.measured_tasks.prices.cache_clear()
    prices = await store.measured_tasks.prices()
    assert prices.factors == {"upscale my.net-x2": 4.0, "encode png": 0.5}
    assert prices.delays == {}  # there is one worker


async def test_self_tests_of_live_workers_are_the_first_prices(store: Store) -> None:
    for name, seconds in (("a", 2.5), ("b", 5.0), ("c", 5.0), ("untested", 0.0)):
        await store.workers.report(name, status={"network_seconds": seconds}, first=True)
    prices = await store.measured_tasks.prices()
    assert (prices.factors, prices.usual, prices.usual_network) == ({}, 1.0, 20.0)


async def test_many_thumbnails_do_not_outnumber_networks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.tasks.measured._TASKS", 2)
    await finish(store, 0, Work(parts=[(BEST, 1.0)], networks=True), {"upscale": 5000.0})
    for number in range(1, 5):
        await finish(store, number, Work(parts=[("thumbnail", 1.0)]), {"thumbnail": 700.0})
    prices = await store.measured_tasks.prices()
    assert prices.factors == {BEST: 5.0, "thumbnail": 0.7}
