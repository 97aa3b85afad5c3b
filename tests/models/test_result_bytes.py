"""Result bytes: no result exceeds the most, predictions follow what was seen, limits refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import TooLarge
from models.images.encoder_settings import DEFAULT
from models.images.inspect import ImageHeader, OutputFormat
from models.images.metadata import MAX_BLOCK_BYTES, MetadataChoice
from models.operations import Encoding, parse
from models.operations.steps import result_sizes
from models.result_bytes import check_result_bytes, most_bytes, predicted_bytes
from workers.imaging import exif_writer, matrix_profile, writer
from workers.imaging.metadata import Metadata
from workers.imaging.picture import Picture
from workers.imaging.resolution import Resolution

SIDE = 200


def noise(*shape: int, dtype: type = np.uint8) -> Any:
    """Return noise of the two extreme values, which the encoders compress worst."""
    extremes = np.random.default_rng(1).integers(0, 2, shape)
    return (extremes * np.iinfo(dtype).max).astype(dtype)


def even_noise(*shape: int, dtype: type = np.uint8) -> Any:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("fill", [noise, even_noise])
def test_no_result_exceeds_the_most(
    tmp_path: Path, kind: OutputFormat, depth: int, channels: int, fill: Any
) -> None:
    dtype = np.uint8 if depth == 8 else np.uint16
    colours = (SIDE, SIDE) if channels < 3 else (SIDE, SIDE, 3)
    alpha = fill(SIDE, SIDE, dtype=dtype) if channels in {2, 4} else None
    picture = Picture(fill(*colours, dtype=dtype), alpha)
    encoding = Encoding(kind, None if kind == "png" else 100)
    made = writer.write(picture, encoding, DEFAULT, tmp_path / f"result.{kind}")
    most = most_bytes(ImageHeader("png", SIDE, SIDE, depth, channels), [], kind, [(SIDE, SIDE)])
    assert made.bytes <= most
    if kind == "webp":
        lossless = [parse("convert", {"format": "webp", "quality": "lossless"})]
        made = writer.write(
            picture, Encoding(kind, "lossless"), DEFAULT, tmp_path / f"result.{kind}"
        )
        header = ImageHeader("png", SIDE, SIDE, depth, channels)
        assert made.bytes <= most_bytes(header, lossless, kind, [(SIDE, SIDE)])
    if kind == "png" and fill is even_noise:
        assert made.bytes > 0.8 * most  # it is no more than needed


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
@pytest.mark.parametrize("choice", ["none", "safe", "all"])
def test_metadata_and_built_profiles_are_counted(
    tmp_path: Path, kind: OutputFormat, choice: MetadataChoice
) -> None:
    texts = {0x013B: b"a" * 1000, 0x8298: b"c" * 1000, 0x9003: b"2024:05:06 07:08:09"}
    # libavif looks for the head of a block, all others take any bytes.
    exif = exif_writer.build({0x010E: bytes(MAX_BLOCK_BYTES - 100)}).ljust(MAX_BLOCK_BYTES, b"\0")
    full = Metadata(exif, bytes(MAX_BLOCK_BYTES), bytes(MAX_BLOCK_BYTES))
    kept = {"none": Metadata(), "safe": Metadata(exif_writer.build(texts)), "all": full}[choice]
    icc = matrix_profile.rgb_profile("x" * 40, matrix_profile.ADOBE_RGB, matrix_profile.SRGB_CURVE)
    picture = Picture(
        even_noise(9, 9, 3), icc=icc, metadata=kept, resolution=Resolution(300.0, 200.0)
    )
    encoding = Encoding(kind, None if kind == "png" else 100)
    made = writer.write(picture, encoding, DEFAULT, tmp_path / "result")
    header = ImageHeader("jpeg", 9, 9)  # its profile was built, so that none is counted
    assert made.bytes <= most_bytes(header, [], kind, [(9, 9)], choice)


def test_most_counts_every_part_and_its_profile() -> None:
    header = ImageHeader("jpeg", 100, 60, profile_bytes=1_000_000)
    split = [parse("split", {}), parse("split", {})]
    sizes = result_sizes(split, (100, 60), 10**9)
    assert len(sizes) == 16
    most = most_bytes(header, split, "jpeg", sizes)
    assert 16_000_000 < most < 16_000_000 + 100 * 60 * 5 + 16 * 5000


def test_max_bytes_counts_the_profile_beside_small_pictures() -> None:
    header = ImageHeader("png", 9, 9, profile_bytes=100_000)
    most = [
        most_bytes(header, [parse("convert", {"format": "jpeg", **limit})], "jpeg", [(9, 9)])
        for limit in ({}, {"max_bytes": "200000"}, {"max_bytes": "1000"})
    ]
    assert most[0] == most[1] > 100_000 > most[2] > 1000


def test_prediction_follows_what_was_seen() -> None:
    assert predicted_bytes(1000, "png", {}) == 1000
    assert predicted_bytes(1000, "jpeg", {}) == 150
    assert predicted_bytes(1000, "jpeg", {"jpeg": 0.4}) == 500
    assert predicted_bytes(1000, "png", {"png": 0.99, "jpeg": 0.1}) == 1000


def test_limit_of_one_picture() -> None:
    check_result_bytes(100, 100)
    with pytest.raises(TooLarge, match="50% of the pixels") as refused:
        check_result_bytes(200, 100)
    assert refused.value.facts == {"setting": "MAX_RESULT_BYTES", "limit": 100, "measured": 200}
