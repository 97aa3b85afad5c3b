"""Prices learned from measurements: what counts, and what hostile or odd pictures cannot do."""

from __future__ import annotations

import pytest

from models.work_prices import Measured, Parts, Prices, learn

NET = "upscale darkroom-best-x2"
PARTS: Parts = [("store", 0.1), ("decode png", 0.2), (NET, 10.0), ("encode png", 0.5)]


def measured(
    network: float = 10.0,
    client: str = "a",
    worker: str = "w",
    beside: int = 1,
    parts: Parts = PARTS,
    **stages: float,
) -> Measured:
    """A task whose stages took their reference seconds, but ``network``, and ``stages`` in ms."""
    usual = {"fetch": 40.0, "wait": 9e9, "publish": 60.0, "decode": 200.0, "encode": 500.0}
    took = {**usual, "upscale": network * 1000, **stages}
    return Measured(client, worker, beside, parts, took)


def test_nothing_measured() -> None:
    prices = learn([])
    assert prices == Prices()
    assert prices.seconds(PARTS) == pytest.approx(10.8)


def test_each_part_has_its_own_price() -> None:
    prices = learn([measured(40.0, encode=250.0)])
    assert prices.factors == {"store": 1.0, "decode png": 1.0, NET: 4.0, "encode png": 0.5}
    assert prices.seconds(PARTS) == pytest.approx(0.1 + 0.2 + 40 + 0.25)
    # What was never measured costs what is usual here, for networks and for the rest.
    assert prices.seconds([("upscale darkroom-fast-x4", 3.0)]) == 12.0
    assert prices.seconds([("blur", 3.0)]) == 3.0
    assert learn([measured(80.0, fetch=400.0, publish=400.0, decode=1600.0, encode=4000.0)]).factor(
        "blur"
    ) == pytest.approx(8.0)


def test_before_a_network_ran_the_self_test_says_its_price() -> None:
    thumbnails = [measured(parts=PARTS[:2])]
    assert learn(thumbnails, tested=[6.0, 8.0, 90.0]).factor(NET) == 8.0
    assert learn(thumbnails, tested=[8.0]).factor("encode png") == 1.0
    assert learn([], tested=[1e9]).factor(NET) == 50.0
    assert learn([measured(20.0)], tested=[8.0]).factor("upscale darkroom-fast-x4") == 2.0


def test_a_single_slow_picture_changes_nothing() -> None:
    usual = [measured(10.0 + n / 10) for n in range(9)]
    assert learn([*usual, measured(900.0)]).factor(NET) < 1.1


def test_the_latest_tasks_count() -> None:
    """Another program has begun to use the machine: estimates follow after some tasks."""
    before = [measured(10.0) for _ in range(150)]
    assert learn([*[measured(25.0) for _ in range(5)], *before]).factor(NET) == 2.5


def test_the_pictures_of_one_client_count_as_much_as_another_client_s() -> None:
    hostile = [measured(90.0, "bad") for _ in range(180)]
    assert learn([*hostile, measured(10.0, "good")]).factor(NET) == 1.0
    assert learn([*hostile, measured(10.0, "b"), measured(11.0, "c")]).factor(NET) == 1.1


def test_a_hostile_client_alone_is_bounded() -> None:
    """However slow a picture is made, estimates of others change by a bounded factor."""
    slow = learn([measured(1e6, "bad", decode=1e9) for _ in range(50)])
    assert slow.factor(NET) <= 10 * slow.usual_network <= 500
    assert slow.factor("decode png") <= 10 * slow.usual <= 500
    fast = learn([measured(1e-6, "bad", decode=1e-6)])
    assert fast.factor(NET) >= fast.usual_network / 10 > 0


def test_a_network_without_a_reference_price_may_cost_much_more() -> None:
    part = "upscale mine-x2"
    task = measured(200.0, parts=[("decode png", 0.2), (part, 1.0), ("encode png", 0.5)])
    others = [measured(10.0, parts=[(f"upscale darkroom-fast-x{n}", 10.0)]) for n in (2, 3, 4)]
    assert learn([task, *others]).factor(part) == 10.0
    assert learn([task], unlisted=[part]).factor(part) == 200.0


def test_two_networks_of_one_operation_share_its_time() -> None:
    both: Parts = [(NET, 6.0), ("upscale darkroom-fast-x2", 2.0)]
    factors = learn([measured(16.0, parts=both)]).factors
    assert factors == {NET: 2.0, "upscale darkroom-fast-x2": 2.0}


def test_tasks_that_ran_beside_others_are_no_dearer() -> None:
    alone = learn([measured(10.0)])
    beside = learn([measured(10.0 * 2, beside=2)])
    assert beside.factor(NET) == pytest.approx(alone.factor(NET))
    assert beside.factor("encode png") == 1.0  # uses one core
    assert beside.seconds([(NET, 10.0)], beside=2) == pytest.approx(10.0 * 2)


def test_workers_of_different_speed() -> None:
    """The price is that of the usual task; a running one is priced at its own worker's speed."""
    slow = [
        measured(30.0, worker="old", fetch=120.0, publish=180.0, decode=600.0, encode=1500.0)
        for _ in range(4)
    ]
    prices = learn([*[measured(worker="new") for _ in range(12)], *slow])
    assert prices.factor(NET) == 1.0
    assert prices.delays == {"new": 1.0, "old": pytest.approx(3.0)}
    assert prices.seconds(PARTS, worker="old") == pytest.approx(3 * 10.8)
    assert prices.seconds(PARTS, worker="unknown") == pytest.approx(10.8)
    stuck = learn([*[measured(worker="new") for _ in range(12)], measured(9e5, worker="old")])
    assert stuck.delays["old"] == 4.0
