"""What a task needs of a worker, and in what programs differ."""

from __future__ import annotations

import pytest

from models.networks.catalogue import Catalogue
from models.operations import parse
from models.operations.fingerprint import fingerprint
from models.settings import Settings
from models.tasks.needs import Abilities, differences

_CATALOGUE = Catalogue.read(None)
_SHA256 = "0" * 64


def _needs(settings: Settings, op: str = "grayscale") -> Abilities:
    weights = parse(op, {}).weights(_CATALOGUE)
    return Abilities.for_task(settings, "png", weights, (30, 20), [(60, 40), (10, 10)])


def test_a_task_needs_what_its_bytes_depend_on() -> None:
    settings = Settings().replace(png_level=4, upscale_precision="f32")
    plain, network = _needs(settings), _needs(settings, "upscale")
    assert "png 4" in plain.parts and not any("precision" in part for part in plain.parts)
    assert (plain.pixels, plain.result_pixels) == (600, 2400)
    used = parse("upscale", {}).weights(_CATALOGUE)
    assert {"precision f32", *(f"network {each.sha256}" for each in used)} <= set(network.parts)
    worker = Abilities.of_worker(settings, _CATALOGUE)
    assert set(network.parts) <= set(worker.parts)
    assert not set(network.parts) <= set(Abilities.of_worker(Settings(), _CATALOGUE).parts)


def test_the_precision_of_networks_is_in_the_fingerprint() -> None:
    upscale = parse("upscale", {})
    weights = upscale.weights(_CATALOGUE)
    made = {
        precision: fingerprint(_SHA256, [upscale], "png", weights, precision=precision)
        for precision in ("auto", "f32", "bf16")
    }
    assert len(set(made.values())) == 3
    assert made["auto"] == fingerprint(_SHA256, [upscale], "png", weights)  # as before
    gray = [parse("grayscale", {})]
    assert len({fingerprint(_SHA256, gray, "png", [], precision=each) for each in made}) == 1


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"png_level": 4}, ["png 1", "png 4"]),
        ({"max_pixels": 1000}, ["MAX_PIXELS 1000, 50000000"]),
    ],
)
def test_differences_of_programs(changed: dict[str, int], found: list[str]) -> None:
    usual = Settings()
    each = [
        Abilities.of_worker(one, _CATALOGUE) for one in (usual, usual, usual.replace(**changed))
    ]
    assert differences(each) == found
    assert differences(each[:1]) == [] == differences([])


def test_a_heic_needs_a_worker_that_decodes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, sides = Settings(), (30, 20)
    heic = Abilities.for_task(settings, "png", [], sides, [sides], "heic")
    assert set(heic.parts) - set(_needs(settings).parts) == {"decoder heic"}
    assert set(heic.parts) <= set(Abilities.of_worker(settings, _CATALOGUE).parts)
    monkeypatch.setattr("models.images.inspect.find_spec", lambda _: None)
    assert "decoder heic" not in Abilities.of_worker(settings, _CATALOGUE).parts
    assert _needs(settings) == Abilities.for_task(settings, "png", [], sides, [(60, 40)], "tiff")
