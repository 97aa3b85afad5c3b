"""Predicted work: what counts, what is refused, and what is learned from finished tasks."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import TooMuchWork
from models.images.inspect import ImageHeader
from models.operations import parse
from models.operations.steps import result_sizes
from models.store import Store
from models.tasks.task import Work
from models.work_estimate import estimate, network_seconds, plan
from tests.support.task_factory import create

PHOTOGRAPH = ImageHeader("jpeg", 4000, 3000)


def reference(*operations: tuple[str, dict[str, Any]], header: ImageHeader = PHOTOGRAPH) -> float:
    parsed = [parse(op, parameters) for op, parameters in operations]
    sizes = result_sizes(parsed, (header.width, header.height), 10**9)
    return estimate(header, parsed, "jpeg", sizes)[1]


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
    plan("realesr-general-x4v3-x4", seconds["realesr-general-x4v3"], {}, 900)
    with pytest.raises(TooMuchWork):
        plan("EDSR-x4", seconds["EDSR"], {}, 900)


def test_both_networks_of_photo_count() -> None:
    photo, faithful = (
        reference(("upscale", {"quality": "photo", "strength": strength})) for strength in (100, 0)
    )
    assert faithful == reference(("upscale", {}))
    assert photo > 3 * faithful
    both = reference(("upscale", {"quality": "photo"}))
    assert max(photo, faithful) < both < photo + faithful
    assert reference(("upscale", {"quality": "auto"})) == both
    assert reference(("upscale", {"quality": "auto", "strength": 100})) >= photo
    assert reference(("restore", {"strength": 0})) < 0.2 * reference(("restore", {}))
    sizes = [(8000, 6000)]
    labels = {
        estimate(PHOTOGRAPH, [parse(op, {**asked})], "png", sizes)[0]
        for op, asked in (
            ("upscale", {"quality": "photo"}),
            ("upscale", {"quality": "photo", "strength": 100}),
            ("upscale", {"quality": "auto"}),
            ("restore", {}),
        )
    }
    assert labels == {"darkroom-photo-x2", "darkroom-auto-x2", "darkroom-photo-x1"}


def test_label_names_the_networks() -> None:
    pipeline = [parse("grayscale", {}), parse("upscale", {"quality": "fast", "scale": "3"})]
    label, _ = estimate(PHOTOGRAPH, pipeline, "png", [(12000, 9000)])
    assert label == "darkroom-fast-x3"
    assert estimate(PHOTOGRAPH, pipeline[:1], "png", [(4000, 3000)])[0] == ""


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
    work = plan("best", seconds, {"best": factor}, 900)
    assert (work.turns, work.short) == (turns, short)
    assert work.reference_seconds == seconds


def test_work_beyond_the_timeout_is_refused() -> None:
    plan("", 1800, {}, 900)
    with pytest.raises(TooMuchWork, match="a picture of 25% of the pixels passes") as refused:
        plan("", 1800, {"": 2.0}, 900)
    assert refused.value.facts == {"setting": "TASK_TIMEOUT", "limit": 900, "measured": 3600}


async def test_factors_are_learned_from_finished_tasks(store: Store) -> None:
    assert await store.measured_tasks.work_factors() == {}
    for number, spent in enumerate((1000, 3000)):
        task_id = await create(store, number, work=Work(label="best", reference_seconds=0.5))
        claim: Any = {"worker": "w", "token": "t", "seconds": 60, "max_attempts": 3}
        assert await store.leases.claim(task_id, **claim)
        stages = {"fetch": 900.0, "wait": 900.0, "upscale": spent - 100.0, "encode": 100.0}
        assert await store.leases.finish(task_id, "t", [], None, stages)
    assert await store.measured_tasks.work_factors() == {"best": 4.0}


def test_seconds_of_a_network_are_those_of_this_machine() -> None:
    assert network_seconds("darkroom-fast", 2, {}) == 0.25
    measured = {"darkroom-fast-x2": 4.0, "darkroom-fast-x3": 2.0, "": 9.0}
    assert network_seconds("darkroom-fast", 2, measured) == 1.0
    # One that was never measured here takes as much longer as the others did.
    assert network_seconds("darkroom-best", 2, measured) == 21.0
