"""Decoding and encoding: what is kept, applied, reduced and written."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.errors import BadImage, TooManyPixels
from models.operations import Encoding
from tests.support import images
from tests.workers.imaging import encode
from workers.imaging import codec, icc_profile, matrix_profile, writer
from workers.imaging.picture import Picture, Samples

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_ICC = matrix_profile.gray_profile("gray", matrix_profile.SRGB_CURVE)
MANY = 10_000_000


def decode(tmp_path: Path, data: bytes) -> Picture:
    path = tmp_path / "picture"
    path.write_bytes(data)
    return codec.decode(path, MANY)


def rgb(picture: Picture) -> Samples:
    return picture.pixels[:, :, ::-1]


def test_png_is_decoded_exactly(tmp_path: Path) -> None:
    picture = decode(tmp_path, images.png())
    assert (rgb(picture) == images.scene()).all()
    assert picture.alpha is None
    assert (picture.width, picture.height) == (40, 30)


def test_png_round_trip_is_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, (30, 40), dtype=np.uint8)
    source = Picture(images.scene(), alpha, ICC)
    back = decode(tmp_path, encode(source, Encoding("png")))
    assert (back.pixels == source.pixels).all()
    assert back.alpha is not None
    assert (back.alpha == alpha).all()
    assert back.icc == ICC


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_orientation_is_applied_and_dropped(
    tmp_path: Path, orientation: int, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (24, 16), "black")
    image.paste("red", (0, 0, 8, 8))  # marks the upper left corner
    picture = decode(tmp_path, images.encoded(image, kind, exif=exif, quality=95))
    assert (picture.width, picture.height) == ((24, 16) if orientation < 5 else (16, 24))
    corners = {
        1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0),
        5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0),
    }  # fmt: skip
    assert rgb(picture)[corners[orientation]][0] > 200
    written = images.decoded(encode(picture, Encoding("jpeg")))
    assert 0x0112 not in written.getexif()


def test_gray_stays_one_channel(tmp_path: Path) -> None:
    plane = images.scene()[:, :, 0]
    for kind in ("PNG", "JPEG"):
        picture = decode(tmp_path, images.encoded(Image.fromarray(plane), kind))
        assert picture.pixels.shape == (30, 40)
        assert images.decoded(encode(picture, Encoding("png"))).mode == "L"
        assert images.decoded(encode(picture, Encoding("jpeg"))).mode == "L"


def test_gray_with_alpha(tmp_path: Path) -> None:
    plane = images.scene()[:, :, 0]
    source = Image.merge("LA", [Image.fromarray(plane), Image.fromarray(255 - plane)])
    picture = decode(tmp_path, images.encoded(source))
    assert (picture.pixels == plane).all()
    assert picture.alpha is not None
    assert (picture.alpha == 255 - plane).all()
    written = np.asarray(images.decoded(encode(picture, Encoding("png"))).convert("LA"))
    assert (written[:, :, 0] == plane).all()


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(images.scene()).quantize(16)
    picture = decode(tmp_path, images.encoded(image))
    assert (rgb(picture) == np.asarray(image.convert("RGB"))).all()
    assert picture.alpha is None
    transparent = decode(tmp_path, images.encoded(image, transparency=3))
    assert transparent.alpha is not None
    assert ((transparent.alpha == 0) == (np.asarray(image) == 3)).all()


def test_transparent_colour_key(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), (1, 2, 3))
    image.putpixel((1, 1), (9, 9, 9))
    picture = decode(tmp_path, images.encoded(image, transparency=(1, 2, 3)))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 0, 0, 0], [0, 255, 0, 0]]


def test_16_bits_are_kept(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(2, axis=0)
    picture = decode(tmp_path, images.encoded(Image.fromarray(ramp)))
    assert picture.pixels.dtype == np.uint16
    assert (picture.pixels == ramp).all()


def test_1_bit_png(tmp_path: Path) -> None:
    picture = decode(tmp_path, images.encoded(Image.new("1", (5, 4), 1)))
    assert (picture.pixels == 255).all()
    assert picture.pixels.shape == (4, 5)


def test_cmyk_is_converted_to_the_same_colours(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 32), (200, 40, 40))
    data = images.encoded(image.convert("CMYK"), "JPEG", quality=95)
    picture = decode(tmp_path, data)
    assert np.abs(rgb(picture)[16, 16].astype(int) - (200, 40, 40)).max() < 6
    broken = images.encoded(image.convert("CMYK"), "JPEG", quality=95, icc_profile=b"junk" * 40)
    assert decode(tmp_path, broken).width == 32


@pytest.mark.parametrize("output", ["png", "jpeg"])
def test_colour_profile_is_kept(tmp_path: Path, output: str) -> None:
    for kind in ("PNG", "JPEG"):
        picture = decode(tmp_path, images.encoded(
            Image.fromarray(images.scene()), kind, icc_profile=ICC
        ))  # fmt: skip
        assert picture.icc == ICC
        written = images.decoded(encode(picture, Encoding(output)))  # type: ignore[arg-type]
        assert written.info["icc_profile"] == ICC


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(images.scene(seed=seed)) for seed in (0, 1)]
    data = images.encoded(frames[0], save_all=True, append_images=frames[1:])
    assert (rgb(decode(tmp_path, data)) == images.scene()).all()


def test_jpeg_composes_alpha_on_white(tmp_path: Path) -> None:
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, 8:] = 255
    for pixels in (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)):
        back = images.decoded(encode(Picture(pixels, alpha), Encoding("jpeg"))).convert("L")
        assert back.getpixel((2, 8)) == 255
        assert back.getpixel((13, 8)) == 0


def raw_png(depth: int, colour: int, rows: bytes, width: int, height: int, key: bytes) -> bytes:
    """Return a PNG made by hand: Pillow writes neither 2-bit gray nor 16-bit RGB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tRNS", key), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("depth", "rows", "key"),
    [
        (2, b"\x00\x90", 2),  # samples 2, 1, 0, 0
        (4, b"\x00\x21\x00", 2),
        (8, b"\x00\x02\x01\x00\x00", 2),
        (16, b"\x00\x00\x02\x00\x01\x00\x00\x00\x00", 2),
    ],
)
def test_transparent_gray_of_every_depth(tmp_path: Path, depth: int, rows: bytes, key: int) -> None:
    data = raw_png(depth, 0, rows, 4, 1, key.to_bytes(2, "big"))
    picture = decode(tmp_path, data)
    assert picture.pixels.shape == (1, 4)
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, *[65535 if depth == 16 else 255] * 3]]


def test_transparent_colour_in_16_bits(tmp_path: Path) -> None:
    pixel, other = b"\x12\x34\x56\x78\x9a\xbc", b"\x12\x35\x56\x78\x9a\xbc"
    picture = decode(tmp_path, raw_png(16, 2, b"\x00" + pixel + other, 2, 1, pixel))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 65535]]
    assert rgb(picture).tolist() == [[[0x1234, 0x5678, 0x9ABC], [0x1235, 0x5678, 0x9ABC]]]


def test_invalid_metadata_is_ignored(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG"):
        image = Image.fromarray(images.scene())
        for options in ({"exif": b"Exif\0\0garbage"}, {"icc_profile": b"\xab" * 100}):
            picture = decode(tmp_path, images.encoded(image, kind, **options))
            assert picture.icc is None
            for output in ("png", "jpeg"):
                data = encode(picture, Encoding(output))
                assert images.decoded(data).size == (40, 30)


def test_a_large_profile_is_kept_in_jpeg_too() -> None:
    large = ICC + bytes(100_000)
    data = encode(Picture(images.scene(), icc=large), Encoding("jpeg"))
    assert images.decoded(data).info["icc_profile"] == large


@pytest.mark.parametrize("padding", [1, 3, 100])
def test_profile_refused_by_libpng_is_still_written(padding: int) -> None:
    odd = ICC + bytes(padding)
    scene = images.scene()
    plane = np.ascontiguousarray(scene[:, :, 0])
    for picture in (Picture(scene, icc=odd), Picture(scene, plane, odd), Picture(plane, icc=odd)):
        written = images.decoded(encode(picture, Encoding("png")))
        assert written.info["icc_profile"][: len(ICC)] == ICC
        assert written.mode == {2: "L", 3: "RGB"}[picture.pixels.ndim] + "A" * (
            picture.alpha is not None
        )
        if written.mode == "RGB":
            assert (np.asarray(written) == scene[:, :, ::-1]).all()


def test_gray_with_alpha_keeps_its_profile() -> None:
    plane = images.scene()[:, :, 0]
    written = images.decoded(encode(Picture(plane, plane, ICC), Encoding("png")))
    assert written.mode == "LA"
    assert written.info["icc_profile"] == ICC


def test_corrupt_data_is_a_bad_image(tmp_path: Path) -> None:
    data = bytearray(images.png(64, 64))
    at = data.index(b"IDAT") + 40
    data[at : at + 400] = bytes(400)
    with pytest.raises(BadImage, match="cannot be decoded"):
        decode(tmp_path, bytes(data))
    with pytest.raises(BadImage):
        decode(tmp_path, b"\x89PNG\r\n\x1a\n")


def test_decoder_enforces_the_pixel_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(images.encoded(Image.new("1", (4000, 4000))))
    with pytest.raises(TooManyPixels, match="16000000 pixels; at most 10000000"):
        codec.decode(path, MANY)


def test_compressed_text_bomb_is_refused(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "x" * 20_000_000, zip=True)
    with pytest.raises(BadImage):
        decode(tmp_path, images.png(pnginfo=info))


def test_jpeg_beyond_its_maximum_side_is_refused() -> None:
    with pytest.raises(BadImage, match="70000 x 1"):
        encode(Picture(np.zeros((1, 70000, 3), np.uint8)), Encoding("jpeg"))


def test_encoded_jpeg_keeps_full_chroma() -> None:
    data = encode(Picture(images.scene()), Encoding("jpeg"))
    with Image.open(io.BytesIO(data)) as image:
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_composing_in_bands_leaves_no_seam() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (300, 7, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (300, 7), dtype=np.uint8)
    share = alpha[:, :, None].astype(float) / 255
    expected = pixels * share + 255 * (1 - share)
    assert np.abs(writer._on_white(Picture(pixels, alpha)) - expected).max() <= 0.5001


def test_a_profile_for_other_samples_is_dropped() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert icc_profile.validated(lab) is None
    assert icc_profile.validated(lab[:10]) is None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert icc_profile.validated(srgb) == srgb
