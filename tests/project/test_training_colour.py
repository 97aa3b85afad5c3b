"""The training of the RGB networks: damage, ONNX files, cut and shrunk networks, both commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.networks.catalogue import Weights
from tests.support import images
from workers.upscaler.opencv import REFERENCE

torch = pytest.importorskip("torch", reason="training needs training/requirements.txt")
pytest.importorskip("onnx", reason="training needs training/requirements.txt")
pytest.importorskip("tensorboard", reason="training needs training/requirements.txt")

from training.colour_patches import (  # noqa: E402
    COMPRESSED,
    PATTERN,
    ColourPair,
    ColourPatches,
)
from training.compact import Compact  # noqa: E402
from training.damage import damage  # noqa: E402
from training.finetune import loss  # noqa: E402
from training.onnx_file import write  # noqa: E402
from training.photo import fit_tail  # noqa: E402
from training.span import OnLuma, Span  # noqa: E402

pytestmark = pytest.mark.integration
SCENE = np.ascontiguousarray(images.scene(44, 37)[:, :, ::-1])


def planes(count: int = 1, side: int = 24) -> Any:
    generator = torch.Generator().manual_seed(1)
    rough = torch.rand(count, 3, side // 4, side // 4, generator=generator)
    return torch.nn.functional.interpolate(rough, scale_factor=4, mode="bicubic").clamp(0, 1)


def test_a_network_and_its_file_give_the_same_picture(tmp_path: Path) -> None:
    """Within a level: the file's weights have 16 bits."""
    torch.manual_seed(1)
    low = torch.from_numpy(SCENE.transpose(2, 0, 1)[None].copy()).float() / 255
    for network, again in ((Span(3, 8, 2), Span(3, 8, 2)), (Compact(2, 8, 3), Compact(2, 8, 3))):
        if isinstance(network, Span):
            network.tail.weight.data *= 0.02  # near the range of a trained one
        path = tmp_path / f"{type(network).__name__}.onnx"
        write(network, path)
        if isinstance(again, Span):
            again.take(path)
        else:
            again.take(path, range(3))
        with torch.inference_mode():
            made = network.eval()(low)
            assert (again.eval()(low) - made).abs().max() < 1 / 255
        weights = Weights("new", "rgb", network.scale, path.name, "", 20)
        got = REFERENCE.enlarge(path, weights, SCENE[:, :, ::-1])[:, :, ::-1]
        expected = (made[0].permute(1, 2, 0).numpy() * 255).clip(0, 255)
        assert np.abs(got - expected).max() <= 1.5


def test_span_for_a_smaller_scale_is_the_mean_of_its_pixels(tmp_path: Path) -> None:
    torch.manual_seed(2)
    large = Span(4, 8, 2).eval()
    write(large, tmp_path / "x4.onnx")
    for scale in (2, 3):
        small = Span(scale, 8, 2).eval()
        small.take(tmp_path / "x4.onnx")
        with torch.inference_mode():
            made, answer = (net(planes())[0].permute(1, 2, 0).numpy() for net in (small, large))
        side = 24 * scale
        wanted = cv2.resize(answer, (side, side), interpolation=cv2.INTER_AREA)
        assert np.abs(made - wanted).max() < 0.01 * wanted.std()


def test_tails_of_smaller_scales_are_fitted() -> None:
    torch.manual_seed(3)
    large = Compact(4, 8, 2).eval()
    with torch.inference_mode():
        answer = large(planes())
    for scale in (1, 2, 3):
        small = fit_tail(large, planes(4), scale).eval()
        with torch.inference_mode():
            size = [24 * scale] * 2
            wanted = torch.nn.functional.interpolate(answer, size, mode="bicubic", antialias=True)
            inner = (..., slice(4, -4), slice(4, -4))
            apart = (small(planes()) - wanted)[inner].abs().mean()
        assert apart < 0.1 * wanted.std()


def test_luma_of_a_gray_picture() -> None:
    network = torch.nn.Upsample(scale_factor=2)
    low = torch.rand(1, 1, 5, 6)
    assert torch.allclose(OnLuma(network)(low), network(low), atol=1e-6)


def test_damage_shrinks_and_changes() -> None:
    rng = np.random.default_rng(3)
    made = [damage(SCENE, 2.0, rng) for _ in range(40)]
    assert all(each.dtype == np.uint8 and each.shape[2] == 3 for each in made)
    plain = [each for each in made if each.shape == (18, 22, 3)]
    assert len(plain) > 20  # the others were resized once more
    assert len({each.tobytes() for each in plain}) > 20


def test_patches_of_all_kinds() -> None:
    """A low patch is the mean of its high one, its negative where "compressed", or a pattern."""
    high = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    low = high.reshape(20, 2, 30, 2, 3).mean((1, 3)).astype(np.uint8)
    patches = ColourPatches([ColourPair(high, (low, 255 - low))], 2, seed=4)
    batch = patches.draw(90, 8, 0.3, 0.2)
    assert (batch.low.shape, batch.high.shape) == ((90, 3, 8, 8), (90, 3, 16, 16))
    for one, large, kind in zip(batch.low, batch.high, batch.kinds, strict=True):
        mean = torch.nn.functional.avg_pool2d(large, 2)
        if kind != PATTERN:
            upright = 1 - one if kind == COMPRESSED else one
            assert (upright - mean).abs().max() < 1.01 / 255
    assert {int(kind) for kind in batch.kinds} == {0, 1, 2}
    exploded = loss(batch.high + 1000 * (batch.kinds == PATTERN)[:, None, None, None], batch, None)
    assert exploded < 1


@pytest.mark.filterwarnings("ignore")  # torch's
def test_from_pictures_to_the_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both commands, in seconds; what photo leaves can be bundled."""
    from training import finetune, photo
    from training.bundle import bundle_run

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(4):
        (pictures / f"{number}.png").write_bytes(images.png(140, 140, number))
    write(Span(4), tmp_path / "span.onnx")
    write(Compact(4, 64, 32), tmp_path / "teacher.onnx")
    monkeypatch.setattr(finetune, "PATCH", 16)
    span, run = tmp_path / "span", tmp_path / "photo"
    finetune.finetune(pictures, tmp_path / "span.onnx", span, 3, 1e-9, 2)
    assert json.loads((span / "run.json").read_text())["curve"][0]["step"] == 1
    again = Span(3)
    again.take(span / "network_x3.onnx")
    photo.teach(pictures, tmp_path / "teacher.onnx", run, 4, 1e-9, batch=1)
    made = bundle_run(run, "darkroom-photo", tmp_path)
    names = [f"darkroom-photo_x{scale}.onnx" for scale in (1, 2, 3, 4)]
    assert [path.name for path in made] == names
    assert json.loads((tmp_path / "darkroom-photo_x1.json").read_text())["steps"] == 1
