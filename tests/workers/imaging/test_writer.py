"""Written files are described as they are, however they are written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.errors import BadImage
from models.images.encoder_settings import DEFAULT
from models.images.inspect import EXTENSIONS
from models.operations import Encoding
from tests.support import images
from tests.workers.imaging.test_codec import ICC
from workers.imaging.picture import Picture
from workers.imaging.writer import write

DEEP = images.scene().astype(np.uint16) * 257 + 3
GRAY = np.arange(35, dtype=np.uint8).reshape(5, 7)


@pytest.mark.parametrize("output", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    "picture",
    [
        Picture(images.scene()),
        Picture(images.scene(), icc=ICC),
        Picture(images.scene(), images.scene()[:, :, 0]),
        Picture(GRAY),
        Picture(GRAY, GRAY),
        Picture(images.scene(), icc=b"no profile at all"),
        *(Picture(DEEP, alpha, icc) for alpha in (None, DEEP[:, :, 0]) for icc in (None, ICC)),
        Picture(DEEP[:, :, 0], DEEP[:, :, 1]),
        Picture(DEEP, DEEP[:, :, 0], b"no profile at all"),
    ],
)
def test_written_file_is_described(picture: Picture, output: str, tmp_path: Path) -> None:
    encoding = Encoding(output)  # type: ignore[arg-type]
    path = tmp_path / f"result.{EXTENSIONS[encoding.format]}"
    output_file = write(picture, encoding, DEFAULT, path)
    data = path.read_bytes()
    assert Path(output_file.path) == path
    assert (output_file.bytes, output_file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (output_file.width, output_file.height) == (picture.width, picture.height)
    assert images.decoded(data).size == (picture.width, picture.height)
    assert images.decoded(data).info.get("icc_profile") == (
        None if output == "webp" and picture.pixels.ndim == 2 else picture.icc
    )


def test_unwritable_size_is_refused(tmp_path: Path) -> None:
    wide = Picture(np.zeros((1, 70_000), np.uint8))
    with pytest.raises(BadImage):
        write(wide, Encoding("jpeg"), DEFAULT, tmp_path / "result.jpg")
