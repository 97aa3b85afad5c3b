"""quality=photo and auto, strength, and restore: documents, networks and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import BadParameter
from models.networks.catalogue import Catalogue
from models.operations import parse
from models.operations.photo import DEFAULT_STRENGTH, FAITHFUL, PHOTO
from models.operations.steps import read_pipeline
from tests.workers.operations import document, refusal


def test_photo_has_a_strength_in_its_document_and_others_have_none() -> None:
    asked = {"op": "upscale", "scale": 3, "model": PHOTO, "strength": DEFAULT_STRENGTH}
    assert document("upscale", quality="photo", scale="3") == asked
    assert document("upscale", model=PHOTO, scale="3", strength=None) == asked
    assert document("upscale", quality="auto", strength="30") == {
        "op": "upscale",
        "scale": 2,
        "model": "darkroom-auto",
        "strength": 30,
    }
    # As ever: older results and fingerprints stay.
    assert document("upscale") == {"op": "upscale", "scale": 2, "model": FAITHFUL}
    assert document("restore") == {"op": "restore", "strength": DEFAULT_STRENGTH}
    assert read_pipeline(["restore=40"], 1) == [parse("restore", {"strength": 40})]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"quality": "photo"}, [PHOTO, FAITHFUL]),
        ({"quality": "photo", "strength": 100}, [PHOTO]),
        ({"quality": "photo", "strength": 0}, [FAITHFUL]),
        ({"quality": "auto"}, [PHOTO, FAITHFUL]),
        ({"quality": "auto", "strength": 100}, [PHOTO, FAITHFUL]),
        ({"quality": "auto", "strength": 0}, [FAITHFUL]),
        ({"quality": "best"}, ["darkroom-best"]),
    ],
)
def test_networks_are_those_that_may_be_needed(asked: dict[str, Any], expected: list[str]) -> None:
    for scale in (2, 3, 4):
        operation = parse("upscale", {**asked, "scale": scale})
        assert operation.networks() == [(name, scale) for name in expected]
        found = operation.weights(Catalogue.read(None))
        assert [each.name for each in found] == expected


def test_restore_needs_the_network_of_scale_1() -> None:
    assert parse("restore", {}).networks() == [(PHOTO, 1)]
    assert parse("restore", {"strength": 100}).networks() == [(PHOTO, 1)]
    assert parse("restore", {"strength": 0}).networks() == []
    assert parse("restore", {}).output_sizes(7, 9) == [(7, 9)]
    (weights,) = parse("restore", {}).weights(Catalogue.read(None))
    assert (weights.scale, weights.takes_colour) == (1, True)


def test_refusals() -> None:
    for asked in ({}, {"quality": "fast"}, {"model": "FSRCNN"}):
        assert "send it with quality=photo" in refusal("upscale", strength="50", **asked)
    for value in ("-1", "101", "half", True):
        assert "strength: " in refusal("upscale", quality="photo", strength=value)
        assert "strength: " in refusal("restore", strength=value)
    for quality in ("photo", "auto"):
        assert "operation restore" in refusal("upscale", quality=quality, scale="1")
    assert "unknown field 'scale'" in refusal("restore", scale="2")
    assert "leave one of them out" in refusal("upscale", quality="photo", model=PHOTO)
    catalogue = Catalogue.read(None)
    with pytest.raises(BadParameter, match="not available for scale 8, only for 2, 3, 4"):
        parse("upscale", {"quality": "photo", "scale": 8}).weights(catalogue)
