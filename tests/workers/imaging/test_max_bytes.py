"""max_bytes: the highest quality whose file is small enough; and progressive JPEG."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from models.errors import BadParameter
from models.images.encoder_settings import DEFAULT
from models.images.inspect import OutputFormat
from models.operations import Encoding
from models.result_bytes import most_bytes
from tests.support import images
from tests.workers.imaging import encode
from tests.workers.operations import bgr
from workers.imaging.picture import Picture
from workers.imaging.writer import Output, write

PICTURE = Picture(bgr(160, 120))
FORMATS: list[OutputFormat] = ["jpeg", "webp", "avif"]


def made(folder: Path, encoding: Encoding, picture: Picture = PICTURE) -> Output:
    return write(picture, encoding, DEFAULT, folder / "result")


@pytest.mark.parametrize("output", FORMATS)
def test_the_highest_quality_that_fits_is_taken(tmp_path: Path, output: OutputFormat) -> None:
    limit = made(tmp_path, Encoding(output, 40)).bytes + 1
    result = made(tmp_path, Encoding(output, max_bytes=limit))
    assert result.bytes <= limit
    said = re.fullmatch(r"quality (\d+) is the highest .* (\d+) bytes .*", result.notes[-1])
    assert said is not None and int(said[2]) == limit
    found = int(said[1])
    assert found >= 40
    assert made(tmp_path, Encoding(output, found + 1)).bytes > limit
    assert made(tmp_path, Encoding(output, found)).sha256 == result.sha256


@pytest.mark.parametrize("output", FORMATS)
def test_a_picture_that_fits_keeps_its_quality(tmp_path: Path, output: OutputFormat) -> None:
    usual = made(tmp_path, Encoding(output))
    limited = made(tmp_path, Encoding(output, max_bytes=usual.bytes))
    assert (limited.sha256, limited.notes) == (usual.sha256, ())
    low = made(tmp_path, Encoding(output, 20, max_bytes=usual.bytes))
    assert low.sha256 == made(tmp_path, Encoding(output, 20)).sha256


@pytest.mark.parametrize("output", FORMATS)
def test_what_fits_at_no_quality_is_refused(tmp_path: Path, output: OutputFormat) -> None:
    with pytest.raises(BadParameter, match="max_bytes=50: at the lowest quality") as caught:
        made(tmp_path, Encoding(output, max_bytes=50))
    assert caught.value.facts["limit"] == 50
    least = made(tmp_path, Encoding(output, 1)).bytes
    assert abs(caught.value.facts["measured"] - least) <= least // 10


def test_progressive_jpegs(tmp_path: Path) -> None:
    plain, fine = (encode(PICTURE, Encoding("jpeg", None, each)) for each in (False, True))
    assert len(fine) < len(plain)
    assert images.decoded(fine).info["progressive"]
    assert "progressive" not in images.decoded(plain).info
    assert (np.asarray(images.decoded(fine)) == np.asarray(images.decoded(plain))).all()
    # Noise at the highest quality is larger than Pillow expects.
    noise = Picture(np.random.default_rng(0).integers(0, 256, (500, 400, 3), dtype=np.uint8))
    for encoding in (Encoding("jpeg", 100, True), Encoding("jpeg", 100, True, 200_000)):
        assert images.decoded(encode(noise, encoding)).size == (400, 500)


def test_it_limits_the_prediction_of_bytes() -> None:
    from models.images.inspect import ImageHeader
    from models.operations import parse

    header, sizes = ImageHeader("png", 4000, 3000), [(4000, 3000)] * 4
    limited = [parse("convert", {"format": "webp", "max_bytes": "100000"})]
    assert most_bytes(header, limited, "webp", sizes) < 4 * 105_000
    tiny = [parse("convert", {"format": "webp", "max_bytes": "10000000000"})]
    assert most_bytes(header, tiny, "webp", sizes) <= most_bytes(header, [], "webp", sizes)
