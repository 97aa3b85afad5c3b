"""The convert operation: unchanged pixels in the requested format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.networks.catalogue import Catalogue
from models.operations import Encoding, Operation, parse
from models.operations.convert import Convert
from models.operations.steps import final_encoding
from tests.support import images
from tests.workers.operations import NO_NUMBERS, NO_VALUES, apply, bgr, document, refusal
from workers.imaging.picture import Picture
from workers.pipeline import Limits, Pipeline


def written(tmp_path: Path, data: bytes, operations: list[Operation]) -> bytes:
    source = tmp_path / "picture"
    source.write_bytes(data)
    pipeline = Pipeline(
        operations,
        final_encoding(operations, "png"),
        Catalogue.read(None),
        Limits(10**6, 10**6, 64),
        lambda s: None,
    )
    (result,) = pipeline.process(source, tmp_path, 10**6).results
    return Path(result.path).read_bytes()


def test_convert_does_not_change_pixels() -> None:
    source = Picture(bgr(), bgr()[:, :, 0].copy(), b"profile")
    assert apply(source, Convert(format="webp")) is source


def test_png_is_exact(tmp_path: Path) -> None:
    data = written(tmp_path, images.png(), [Convert(format="png")])
    assert (np.asarray(images.decoded(data)) == images.scene()).all()


@pytest.mark.parametrize(
    ("requested", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("png", "PNG"), ("avif", "AVIF")]
)
def test_result_has_the_requested_format(tmp_path: Path, requested: str, kind: str) -> None:
    data = written(tmp_path, images.jpeg(), [parse("convert", {"format": requested})])
    assert images.decoded(data).format == kind


@pytest.mark.parametrize("output", ["jpeg", "webp", "avif"])
def test_quality_sets_size_and_fidelity(tmp_path: Path, output: str) -> None:
    found = []
    for quality in (5, 50, 95):
        spec = parse("convert", {"format": output, "quality": str(quality)})
        data = written(tmp_path, images.png(200, 160), [spec])
        likeness = images.psnr(
            np.asarray(images.decoded(data).convert("RGB")), images.scene(200, 160)
        )
        found.append((len(data), likeness))
    assert found == sorted(found)
    assert found[0][1] + 5 < found[2][1]


def test_lossless_webp_is_exact(tmp_path: Path) -> None:
    spec = parse("convert", {"format": "webp", "quality": "lossless"})
    data = written(tmp_path, images.png(200, 160), [parse("rotate", {"angle": "180"}), spec])
    decoded = np.asarray(images.decoded(data).convert("RGB"))
    assert (decoded == images.scene(200, 160)[::-1, ::-1]).all()
    assert len(written(tmp_path, images.png(200, 160), [Convert(format="webp")])) < len(data)


def test_last_convert_decides_the_format() -> None:
    operations = [
        Convert(format="jpeg", quality=10),
        Convert(format="webp"),
        parse("grayscale", {}),
    ]
    assert final_encoding(operations, "png") == Encoding("webp")
    assert final_encoding([parse("blur", {})], "png") == Encoding("png")


def test_documents_and_labels() -> None:
    expected = {"op": "convert", "format": "jpeg", "quality": 80}
    for spelt in ("jpg", "JPG", "jpeg", " Jpeg "):
        assert document("convert", format=spelt, quality="80") == expected
    assert document("convert", format="png") == {
        "op": "convert", "format": "png", "quality": None,
    }  # fmt: skip
    assert parse("convert", {"format": "webp", "quality": "80"}).label() == "convert-q80"
    assert parse("convert", {"format": "webp"}).label() == "convert"
    assert Convert(format="webp", quality="lossless").label() == "convert-lossless"
    assert document("convert", format="webp", quality="lossless")["quality"] == "lossless"
    asked = {"format": "jpeg", "progressive": "1", "max_bytes": "90000"}
    assert parse("convert", asked).label() == "convert-progressive-90000b"
    assert document("convert", **asked) == {
        "op": "convert", "format": "jpeg", "quality": None, "progressive": 1, "max_bytes": 90000,
    }  # fmt: skip
    # Not asked for, they are in no document: older results keep their fingerprints.
    assert document("convert", format="jpeg", quality="80", progressive="0") == expected


@pytest.mark.parametrize("value", ["", "bmp", "image/png", "nan", 3, *NO_VALUES])
def test_invalid_formats_are_refused(value: Any) -> None:
    assert refusal("convert", format=value).startswith(
        "convert: format: true and false"
        if value is True
        else "convert: format: Input should be 'png', 'jpeg', 'webp', 'avif' or 'gif'"
    )


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, True, [1], {"a": 1}, "0", "101", "-1", "80.5", "loss"]
)
def test_invalid_qualities_are_refused(value: Any) -> None:
    assert refusal("convert", format="jpeg", quality=value).startswith("convert: quality: ")


def test_animations() -> None:
    asked = parse("convert", {"format": "gif", "frames": "all"})
    assert asked.label() == "convert-animated"
    assert asked.encoding() == Encoding("gif", frames="all")
    assert document("convert", format="png", frames="all")["frames"] == "all"
    assert "frames" not in document("convert", format="png", frames="first")
    assert "send frames=all, too" in refusal("convert", format="gif")
    for each in ("jpeg", "avif"):
        wrong = refusal("convert", format=each, frames="all")
        assert f"{each.upper()} holds no animation here: ask for WEBP, GIF or PNG" in wrong
    assert "256 colours" in refusal("convert", format="gif", frames="all", quality="80")
    assert "never lossless" in refusal("convert", format="gif", frames="all", quality="lossless")
    wrong = refusal("convert", format="webp", frames="all", max_bytes="1000")
    assert "max_bytes is for still pictures" in wrong
    for value in ("some", "", "1", *NO_VALUES):
        assert refusal("convert", format="webp", frames=value).startswith("convert: frames: ")


def test_refusals_say_what_would_pass() -> None:
    assert "ask for jpeg, webp or avif" in refusal("convert", format="png", quality="80")
    for each in ("jpeg", "avif"):
        assert "never lossless" in refusal("convert", format=each, quality="lossless")
    for each in ("png", "webp", "avif"):
        assert "progressive is for jpeg" in refusal("convert", format=each, progressive="1")
    assert "can be lowered" in refusal("convert", format="png", max_bytes="1000")
    lossless = {"format": "webp", "quality": "lossless", "max_bytes": "1000"}
    assert "can be lowered" in refusal("convert", **lossless)
    for value in ("0", "-1", "1.5", "many", True):
        assert refusal("convert", format="webp", max_bytes=value).startswith("convert: max_bytes: ")
    for value in ("2", "-1", "yes", True):
        assert refusal("convert", format="jpeg", progressive=value).startswith(
            "convert: progressive: "
        )
    assert "1 to 100, or lossless (got '101')" in refusal("convert", format="webp", quality="101")
    assert "format is missing: Format of the result" in refusal("convert")
    assert "known: format, quality" in refusal("convert", format="png", level="9")
