"""bf16: taken where the processor has it, and close to f32 for every bundled network."""

from __future__ import annotations

from typing import Any

import pytest

from models.networks.catalogue import Catalogue
from tests.support import images
from tests.workers.operations import bgr
from tests.workers.upscaler.test_engines import HALF, OPENVINO, OURS, max_difference
from workers.upscaler import select
from workers.upscaler.openvino import OpenVINO


def test_auto_takes_bf16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue.read(None)
    has_bf16 = OpenVINO().has_bf16

    def chosen(setting: Any) -> str:
        engine, reason = select.choose_engine(setting, "auto", catalogue)
        assert not reason
        return engine.label.split()[-1]

    for setting in ("auto", "openvino"):
        assert chosen(setting) == ("bf16" if has_bf16 else "f32")
    with monkeypatch.context() as patch:
        patch.setitem(select.BOUNDS, "bf16", select.Difference(8, 200))
        assert (chosen("auto"), chosen("openvino")) == ("f32", "f32")
    missing = property(lambda _: False, lambda *_: None)
    monkeypatch.setattr(OpenVINO, "has_bf16", missing, raising=False)
    assert chosen("auto") == "f32"


@pytest.mark.parametrize(("model", "scale"), OURS)
def test_bf16_is_close_for_pictures_of_any_size(model: str, scale: int) -> None:
    catalogue = Catalogue.read(None)
    weights = catalogue.find(model, scale)
    for pixels in (bgr(1, 1), bgr(1, 9), bgr(5, 2), bgr(33, 40)):
        exact = OPENVINO.enlarge(catalogue.path(weights), weights, pixels)
        assert max_difference(HALF.enlarge(catalogue.path(weights), weights, pixels), exact) <= 8


def test_bf16_stays_within_its_bound_on_photographs() -> None:
    catalogue = Catalogue.read(None)
    for model, scale in (("darkroom-fast", 2), ("darkroom-balanced", 2), ("darkroom-photo", 4)):
        weights = catalogue.find(model, scale)
        made = HALF.enlarge(catalogue.path(weights), weights, select.photograph())
        exact = OPENVINO.enlarge(catalogue.path(weights), weights, select.photograph())
        assert images.psnr(exact, made) > select.BOUNDS["bf16"].psnr
