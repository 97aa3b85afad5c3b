"""Limits of the decoders themselves, for data that the header does not show."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from models.errors import BadImage, TooManyPixels
from tests.support import images
from tests.support.paths import ROOT
from workers.imaging import decoders, notes
from workers.imaging.codec import decode


@pytest.mark.parametrize("limit", [1199, 700, 100])
def test_pillow_enforces_the_pixel_limit(limit: int, tmp_path: Path) -> None:
    """Pillow only warns about up to twice its limit, and raises above: both are refused."""
    path = tmp_path / "picture.png"
    path.write_bytes(images.png(40, 30))
    with (
        pytest.raises(
            Image.DecompressionBombWarning if limit > 600 else Image.DecompressionBombError
        ),
        decoders.open_image(path, limit),
    ):
        pass
    with pytest.raises(TooManyPixels, match=f"40 x 30 = 1200 pixels; at most {limit} are allow"):
        decode(path, limit)
    assert decode(path, 1200).size == (40, 30)
    assert limit != Image.MAX_IMAGE_PIXELS


def test_unpacked_comments_are_limited(tmp_path: Path) -> None:
    path, whole = tmp_path / "picture.png", images.png()
    for megabytes, fits in ((15, True), (17, False)):
        body = b"a\0\0" + zlib.compress(bytes(megabytes << 20), 9)
        path.write_bytes(whole[:33] + images.chunk(b"zTXt", body) + whole[33:])
        if fits:
            assert decode(path, 10_000).size == (40, 30)
        else:
            with pytest.raises(BadImage, match="one of them to more than 16 MiB; remove them"):
                decode(path, 10_000)
    body = b"a\0\0" + zlib.compress(bytes(15 << 20), 9)
    path.write_bytes(whole[:33] + images.chunk(b"zTXt", body) * 5 + whole[33:])
    with pytest.raises(BadImage):
        decode(path, 10_000)


@pytest.mark.integration
def test_opencv_limit_is_set_before_import() -> None:
    program = """
import sys
import numpy as np
from workers.imaging import decoders, notes
assert "cv2" not in sys.modules
decoders.configure_opencv(1000)
decoders.unregister_other_formats()
import cv2
from PIL import Image
data = np.frombuffer(sys.stdin.buffer.read(), np.uint8)
try:
    cv2.imdecode(data, cv2.IMREAD_COLOR)
except cv2.error as error:
    print(error.err)
print(sorted(Image.OPEN))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=images.png(40, 30),
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("OPENCV")},
    )
    assert b"CV_IO_MAX_IMAGE_PIXELS" in done.stdout
    assert b"['AVIF', 'BMP', 'GIF', 'HEIF', 'JPEG', 'PNG', 'TIFF', 'WEBP']" in done.stdout


MALFORMED = [
    *((kind, bytes(size)) for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs") for size in (0, 3)),
    *((b"iCCP", body) for body in (b"", b"x", b"x\0", b"x\0\1abc", b"\0\0\0", b"x\0\0junk")),
    *((b"zTXt", body) for body in (b"", b"x\0\1abc")),
    *((b"tRNS", bytes(size)) for size in (0, 1)),
    (b"acTL", b"\0"),
    *((b"fcTL", body) for body in (bytes(5), b"\xff" * 26, bytes(4) + b"\xff" * 22)),
]


@pytest.mark.parametrize(("kind", "body"), MALFORMED)
def test_a_malformed_chunk_beside_the_samples_costs_nobody_the_picture(
    tmp_path: Path, kind: bytes, body: bytes
) -> None:
    path, whole = tmp_path / "picture.png", images.png()
    path.write_bytes(whole[:33] + images.chunk(kind, body) + whole[33:])
    picture = decode(path, 10_000)
    assert (picture.pixels == images.scene()[:, :, ::-1]).all() and picture.alpha is None
    assert picture.notes == ((notes.PROFILE_BROKEN,) if kind == b"iCCP" else ())


def test_a_reason_is_never_empty(tmp_path: Path) -> None:
    """A palette picture without its palette: Pillow raises an error that says nothing."""
    path = tmp_path / "picture.png"
    data = images.encoded(Image.fromarray(images.scene()).quantize(16))
    start = data.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    path.write_bytes(data[:start] + data[end:])
    with pytest.raises(BadImage, match="cannot be decoded: [a-z]"):
        decode(path, 10_000)
