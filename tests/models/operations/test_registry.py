"""Specs of operations, their canonical form, fingerprints, and the catalogue of networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.errors import BadParameter
from models.networks.catalogue import BUNDLED_DIR, Catalogue
from models.operations import OPERATIONS, load, parse
from models.operations.fingerprint import fingerprint
from models.operations.upscale import Upscale
from tests.support.paths import ROOT


def test_the_registry_is_complete() -> None:
    workers = ROOT / "workers" / "operations"
    modules = {path.stem for path in workers.glob("*.py")} - {"__init__"}
    assert modules == set(OPERATIONS)
    for op in OPERATIONS:
        assert (ROOT / "tests" / "workers" / "operations" / f"test_{op}.py").is_file()


def test_defaults_are_filled_in() -> None:
    spec = parse("upscale", {})
    assert spec.document() == {"op": "upscale", "scale": 2, "model": "darkroom-balanced"}
    assert parse("upscale", {"scale": "2"}) == spec
    assert load(spec.document()) == spec
    assert spec.output_sizes(10, 20) == [(20, 40)]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"scale": "0"}, "scale: .*greater than or equal to 1"),
        ({"scale": "nine"}, "scale: .*integer"),
        ({"scale": "9" * 5000}, "scale: "),
        ({"colour": "red"}, "unknown field 'colour'; known: scale, quality, model"),
        ({"op": "x"}, "unknown field 'op'"),
        ({"model": "x" * 65}, "model: .*at most 64"),
    ],
)
def test_refusals_say_what_would_pass(parameters: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadParameter, match=sentence) as caught:
        parse("upscale", parameters)
    assert len(caught.value.detail) < 300


def test_fingerprints_differ_exactly_when_results_do() -> None:
    weights = list(Catalogue.read(None).available())[:1]
    one = fingerprint("a" * 64, [Upscale()], "png", weights)
    assert one == fingerprint("a" * 64, [parse("upscale", {"scale": "2"})], "png", weights)
    others = {
        fingerprint("b" * 64, [Upscale()], "png", weights),
        fingerprint("a" * 64, [Upscale(scale=3)], "png", weights),
        fingerprint("a" * 64, [Upscale()], "jpeg", weights),
        fingerprint("a" * 64, [Upscale()], "png", []),
        fingerprint("a" * 64, [Upscale(), Upscale()], "png", weights),
    }
    assert len(others | {one}) == 6
    assert len(one) == 64


def test_bundled_network_is_there_and_hashes_right() -> None:
    at_hand = list(Catalogue.read(None).available())
    assert [(w.name, w.scale) for w in at_hand] == [
        *(
            (f"darkroom-{quality}", scale)
            for quality in ("fast", "balanced", "best")
            for scale in (2, 3, 4)
        ),
        *(("darkroom-photo", scale) for scale in (1, 2, 3, 4)),
    ]


def test_unknown_model_and_scale_list_the_known() -> None:
    catalogue = Catalogue.read(None)
    with pytest.raises(BadParameter, match="no model of that name; available: darkroom-fast"):
        catalogue.find("nope", 2)
    with pytest.raises(BadParameter, match="is not available for scale 5, only for 2, 3, 4"):
        catalogue.find("darkroom-fast", 5)
    with pytest.raises(BadParameter, match="the file of model FSRCNN is missing"):
        catalogue.find("FSRCNN", 2)


def test_weights_dir_is_searched_first_and_hashes_are_checked(tmp_path: Path) -> None:
    weights = Catalogue.read(None).find("darkroom-fast", 2)
    shutil.copy(BUNDLED_DIR / weights.file, tmp_path)
    assert Catalogue.read(tmp_path).path(weights) == (tmp_path / weights.file).resolve()
    (tmp_path / weights.file).write_bytes(b"not the network")
    assert Catalogue.read(tmp_path).path(weights) == (BUNDLED_DIR / weights.file).resolve()


def test_published_networks_are_found(shared: Path) -> None:
    catalogue = Catalogue.read(shared / "weights")
    assert len(list(catalogue.available())) == 13 + 12
    assert {w.name for w in catalogue.available()} == {
        "darkroom-fast",
        "darkroom-balanced",
        "darkroom-best",
        "darkroom-photo",
        "FSRCNN",
        "FSRCNN-small",
        "ESPCN",
        "LapSRN",
    }
