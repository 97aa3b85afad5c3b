"""Each promise of docs/pictures.md, from file to file through the whole pipeline."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.images.metadata import MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import Encoding
from models.operations.steps import read_pipeline
from tests.support import images
from tests.support.icc_profiles import ADOBE_RGB, DISPLAY_P3, matrix_profile
from workers.imaging import notes
from workers.imaging.writer import Output
from workers.pipeline import Limits, Pipeline

LIMITS = Limits(10**7, 10**7, 64)
# jpegtran -arithmetic of images.jpeg(24, 16, seed=5); Pillow cannot write one.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL"
    "EBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBQUFBQUFBQUFBQUFBT/yQARCAAQABgDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDLxrkc"
    "qQkz/ZLeJxGgWMu7HKVNk2N9zSiVbIPBsLAdKMbfQOcvQ+6o14O8BaILm6P5aU38dZIe1aFvtkjpedlIobhy2UAiQGmZ"
    "4gphrwz79Z/CV/bQStciUtyrJzbfZ/076KQ9DfqegMBIhKihCh+GbF6ZaGZ8cny6nj8LpI5uazhFQLSEY9OIDQqoTAFF"
    "QSEef5Z7uhI6to9w1oMmZsjjM0o+US4sUF0zui9iKHnO4BNJYATNQkTuR5gIpFJPAQM9ihTVRmfgbuT/2Q=="
)


def process(
    tmp_path: Path,
    data: bytes,
    *operations: str,
    output: Any = "png",
    metadata: MetadataChoice = "none",
) -> tuple[Image.Image, Output]:
    """Return the one result of ``operations`` on the file ``data``."""
    source = tmp_path / "source"
    source.write_bytes(data)
    pipeline = Pipeline(
        read_pipeline(operations or ("convert=" + output,), 9),
        Encoding(output),
        Catalogue.read(None),
        LIMITS,
        lambda share: None,
        metadata=metadata,
    )
    (made,) = pipeline.process(source, tmp_path, LIMITS.max_pixels).results
    return images.decoded(Path(made.path).read_bytes()), made


def in_srgb(image: Image.Image) -> images.Pixels:
    """Return what a colour-managed viewer shows."""
    icc = image.info.get("icc_profile")
    rgb = image.convert("RGB")
    if icc:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        shown = ImageCms.profileToProfile(rgb, source, ImageCms.createProfile("sRGB"))
        assert shown is not None
        rgb = shown
    return np.asarray(rgb, np.uint8)


@pytest.mark.parametrize(
    ("name", "primaries"), [("Display P3", DISPLAY_P3), ("Adobe RGB", ADOBE_RGB)]
)
@pytest.mark.parametrize("output", ["png", "jpeg", "webp"])
def test_wide_profiles_are_kept_and_look_the_same(
    tmp_path: Path, name: str, primaries: Any, output: str
) -> None:
    icc = matrix_profile(name, primaries, 2.2)
    flat = np.zeros((32, 48, 3), np.uint8)
    flat[:, :16], flat[:, 16:32], flat[:, 32:] = (220, 60, 40), (60, 200, 80), (128, 128, 128)
    data = images.encoded(Image.fromarray(flat), icc_profile=icc)
    assert np.abs(in_srgb(images.decoded(data)).astype(int) - flat).max() > 8  # the profile matters
    for operation in ("upscale=2", "resize=0.5", "rotate=90"):
        result, _ = process(tmp_path, data, operation, output=output)
        assert result.info["icc_profile"] == icc
        expected, shown = in_srgb(images.decoded(data)), in_srgb(result)
        if operation == "rotate=90":
            shown = np.rot90(shown)
        for x in (1 / 6, 1 / 2, 5 / 6):  # the middle of each patch
            colour = shown[shown.shape[0] // 2, int(x * shown.shape[1])]
            assert np.abs(colour.astype(int) - expected[16, int(x * 48)]).max() <= 12


def test_grayscale_of_a_wide_profile_matches_a_colour_managed_viewer(tmp_path: Path) -> None:
    icc = matrix_profile("Display P3", DISPLAY_P3, 2.2)
    red = Image.new("RGB", (8, 8), (220, 60, 40))
    data = images.encoded(red, icc_profile=icc)
    result, _ = process(tmp_path, data, "grayscale")
    expected = Image.fromarray(in_srgb(images.decoded(data))).convert("L").getpixel((4, 4))
    value = result.getpixel((4, 4))
    assert isinstance(value, int) and isinstance(expected, int)
    assert abs(value - expected) <= 2
    assert result.mode == "L" and "icc_profile" not in result.info


@pytest.mark.parametrize(
    "operation", ["upscale=2", "resize=2", "resize=0.5", "blur=9", "thumbnail"]
)
def test_no_dark_fringe_at_transparent_edges(tmp_path: Path, operation: str) -> None:
    """White on transparent black: visible pixels must not turn gray."""
    pixels = np.zeros((240, 240, 4), np.uint8)
    pixels[60:180, 60:180] = 255
    result, _ = process(tmp_path, images.encoded(Image.fromarray(pixels)), operation)
    array = np.asarray(result)
    assert result.mode == "RGBA"
    visible = array[:, :, 3] > 32
    assert visible.any() and array[visible][:, :3].min() >= 235


@pytest.mark.parametrize("operation", ["upscale=2", "resize=2", "blur=5", "rotate=90"])
def test_gray_stays_one_channel(tmp_path: Path, operation: str) -> None:
    plane = Image.fromarray(images.scene()[:, :, 0])
    for output in ("png", "jpeg"):
        result, _ = process(tmp_path, images.encoded(plane), operation, output=output)
        assert result.mode == "L"


def test_cmyk_and_ycck_become_srgb(tmp_path: Path) -> None:
    """YCCK is CMYK with C, M and Y as luma and chroma; the Adobe marker says so."""
    flat = Image.new("CMYK", (32, 32), (20, 200, 180, 10))
    cmyk = images.encoded(flat, "JPEG", quality=95, subsampling="4:4:4")
    # A decoder turns YCCK into 255 minus RGB, in Adobe's inverted ink: so RGB is the ink.
    stored = np.asarray(Image.new("RGB", (1, 1), (20, 200, 180)).convert("YCbCr"))[0, 0]
    planes = Image.merge(
        "CMYK", [Image.new("L", (32, 32), 255 - int(v)) for v in (*stored, 255 - 10)]
    )
    ycck = bytearray(images.encoded(planes, "JPEG", quality=95, subsampling="4:4:4"))
    marker = ycck.index(b"Adobe")
    assert ycck[marker + 11] == 0
    ycck[marker + 11] = 2
    expected = np.asarray(flat.convert("RGB"))[0, 0].astype(int)
    for data in (cmyk, bytes(ycck)):
        result, made = process(tmp_path, data, "rotate=90", output="jpeg")
        assert made.notes == (notes.FROM_CMYK,)
        assert result.mode == "RGB"
        assert np.abs(np.asarray(result)[16, 16] - expected).max() <= 6


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"restart_marker_blocks": 2}, {"optimize": True}]
)
def test_jpeg_variants_decode_alike(tmp_path: Path, options: dict[str, Any]) -> None:
    plain, _ = process(tmp_path, images.jpeg(61, 47))
    other, made = process(tmp_path, images.jpeg(61, 47, **options))
    assert (np.asarray(plain) == np.asarray(other)).all()
    assert made.notes == ()


def test_arithmetic_coding(tmp_path: Path) -> None:
    plain, _ = process(tmp_path, images.jpeg(24, 16, seed=5))
    other, _ = process(tmp_path, ARITHMETIC)
    assert np.abs(np.asarray(plain).astype(int) - np.asarray(other)).max() <= 1


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """Return the PNG ``data`` with a chunk after its header."""
    return data[:33] + chunk(kind, body) + data[33:]


def interlaced(pixels: images.Pixels) -> bytes:
    """Return an Adam7 PNG, which Pillow cannot write."""
    height, width = pixels.shape[:2]
    rows = b""
    for x0, y0, dx, dy in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        part = pixels[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (13, 7), (41, 31)])
def test_interlaced(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = images.scene(*size)
    result, _ = process(tmp_path, interlaced(pixels))
    assert (np.asarray(result) == pixels).all()


def test_gamma_is_applied_where_it_differs_from_srgb(tmp_path: Path) -> None:
    pixels = images.scene()
    data = images.encoded(Image.fromarray(pixels))
    for gamma, changed in ((45455, False), (45000, False), (100000, True), (0, False)):
        result, made = process(tmp_path, with_chunk(data, b"gAMA", struct.pack(">I", gamma)))
        expected = pixels
        if changed:
            power = 1 / (gamma / 100000 * 2.2)
            expected = np.rint(255 * (pixels / 255.0) ** power).astype(np.uint8)
        assert (np.asarray(result) == expected).all()
        assert made.notes == ((notes.GAMMA,) if changed else ())
    both = with_chunk(with_chunk(data, b"sRGB", b"\0"), b"gAMA", struct.pack(">I", 100000))
    result, _ = process(tmp_path, both)
    assert (np.asarray(result) == pixels).all()


def test_transparent_colour_and_animation(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), (10, 20, 30))
    image.putpixel((0, 0), (200, 0, 0))
    result, _ = process(tmp_path, images.encoded(image, transparency=(10, 20, 30)))
    assert result.mode == "RGBA"
    assert (result.getpixel((0, 0)), result.getpixel((5, 5))) == ((200, 0, 0, 255), (10, 20, 30, 0))
    frames = [Image.fromarray(images.scene(seed=seed)) for seed in (1, 2, 3)]
    apng = images.encoded(frames[0], save_all=True, append_images=frames[1:])
    result, made = process(tmp_path, apng)
    assert (np.asarray(result) == images.scene(seed=1)).all()
    assert made.notes == (notes.FIRST_FRAME,)
    result, made = process(
        tmp_path, images.encoded(image, transparency=(10, 20, 30)), output="jpeg"
    )
    assert made.notes == (notes.ON_WHITE,)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 3), (13, 11), (127, 97)])
def test_odd_and_prime_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    data = images.png(*size)
    for operation, scale in (("upscale=2", 2), ("resize=3", 3), ("blur=5", 1), ("grayscale", 1)):
        result, made = process(tmp_path, data, operation)
        assert result.size == (made.width, made.height) == (size[0] * scale, size[1] * scale)
    flat = images.encoded(Image.new("RGB", size, (90, 120, 150)))
    result, _ = process(tmp_path, flat, "upscale=2")
    # A network pads with zeros: if everything is border, a flat picture varies by some levels.
    assert np.abs(np.asarray(result).astype(int) - (90, 120, 150)).max() <= 8
