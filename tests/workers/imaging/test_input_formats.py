"""WebP, GIF, AVIF, TIFF, BMP and HEIC as inputs: pixels, depth, alpha, colours, turns, notes."""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from models.errors import AppError, BadImage, TooManyPixels
from models.images.inspect import INPUT_MEDIA_TYPES, InputFormat, check_pixels, inspect
from models.images.metadata import MetadataChoice
from tests.support import images, malformed_images
from tests.support import input_files as files
from workers.imaging import mending, notes
from workers.imaging.picture import Picture, Samples

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MANY = 1_000_000
SCENE = images.scene(*files.SIDES)
WIDE = SCENE.astype(np.uint16) * 257


def decode(data: bytes, keep: MetadataChoice = "none", limit: int = MANY) -> Picture:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "picture"
        path.write_bytes(data)
        return mending.decode(path, Path(name), limit, keep=keep)


def rgb(picture: Picture) -> Samples:
    return picture.pixels[..., ::-1] if picture.pixels.ndim == 3 else picture.pixels


def plain(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(SCENE).convert(mode)


def masked() -> Image.Image:
    made = plain()
    made.putalpha(Image.fromarray(255 - SCENE[:, :, 0]))
    return made


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {"lossless": True, "exact": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate", "big_tiff": True}),
        ("TIFF", {"compression": "packbits"}),
        ("BMP", {}),
    ],
)
def test_pixels_are_exact(kind: str, options: Any) -> None:
    picture = decode(images.encoded(plain(), kind, **options))
    assert (rgb(picture) == SCENE).all() and picture.alpha is None and picture.notes == ()
    if kind == "BMP":  # its kinds with alpha are below
        return
    with_alpha = decode(images.encoded(masked(), kind, **options))
    assert with_alpha.alpha is not None
    assert (rgb(with_alpha) == SCENE).all() and (with_alpha.alpha == 255 - SCENE[:, :, 0]).all()


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_lossy_pixels_are_what_pillow_makes_of_them(kind: str) -> None:
    data = images.encoded(masked(), kind, quality=80)
    picture, expected = decode(data), np.asarray(files.opened(data))
    assert (rgb(picture) == expected[:, :, :3]).all()
    assert picture.alpha is not None and (picture.alpha == expected[:, :, 3]).all()
    assert images.psnr(rgb(picture), SCENE) > 25


def heic_scene(width: int = 128, height: int = 64) -> NDArray[np.float64]:
    """Return what the files of ``tests/support/heic`` show, as (height, width, 3) RGB, 0 to 255."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    planes = [128 + 100 * np.sin(x / 7), 128 + 100 * np.cos(y / 5), 40 + 160 * disc]
    return np.asarray(np.clip(np.stack(planes, 2), 0, 255))


def test_heic_shows_what_was_put_into_it() -> None:
    expected = heic_scene()
    assert images.psnr(rgb(decode(files.heic())), expected) > 30
    assert images.psnr(rgb(decode(files.heic("odd"))), heic_scene(61, 51)) > 28
    gray = decode(files.heic("gray"))
    assert gray.pixels.shape == (64, 128)
    alpha = decode(files.heic("alpha")).alpha
    assert alpha is not None and images.psnr(alpha, expected[:, :, 2]) > 30
    tiled = rgb(decode(files.tiles()))
    whole = np.tile(expected, (2, 2, 1))[:120, :250]
    assert tiled.shape == whole.shape and images.psnr(tiled, whole) > 30


@pytest.mark.parametrize("name", ["ten", "twelve"])
def test_deep_heic_keeps_its_levels(name: str) -> None:
    picture = decode(files.heic(name))
    assert picture.pixels.dtype == np.uint16
    assert images.psnr(rgb(picture) / 257, heic_scene()) > 30
    assert len(np.unique(picture.pixels)) > 300  # more than 8 bits can say


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_avif_keeps_its_levels(bits: int, channels: int) -> None:
    samples = WIDE[:, :, 0] if channels == 1 else np.dstack([WIDE, 65535 - WIDE[:, :, :1]])
    samples = samples[..., :channels] if channels > 1 else samples
    stored = np.asarray(samples >> (16 - bits), np.uint16)
    picture = decode(files.avif_deep(stored, bits))
    assert picture.pixels.dtype == np.uint16
    pixels: Samples = picture.pixels
    if channels == 4:
        assert picture.alpha is not None
        pixels = np.dstack([pixels, picture.alpha])
    expected = np.rint(stored * (65535 / (2**bits - 1)))
    assert np.abs(pixels.astype(float) - expected).max() <= 65535 / (2**bits - 1) * 2
    assert decode(files.avif_deep(np.full_like(samples, 2**bits - 1), bits)).pixels.min() == 65535


def changed(data: bytes, *tags: tuple[int, int, int, int]) -> bytes:
    """Return a little-endian TIFF of one page with other tags: (tag, type, count, value)."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [struct.unpack_from("<HHII", data, at + 2 + 12 * n) for n in range(count)]
    entries = [each for each in entries if each[0] not in {tag[0] for tag in tags}] + [*tags]
    body = b"".join(struct.pack("<HHII", *each) for each in sorted(entries))
    data += bytes(len(data) % 2)
    head = data[:4] + struct.pack("<I", len(data)) + data[8:]
    return head + struct.pack("<H", len(entries)) + body + bytes(4)


def test_deep_tiff_keeps_every_bit() -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 65536, (9, 7, 4), np.uint16)
    for channels in (3, 4):
        picture = decode(files.tiff16(samples[:, :, :channels]))
        assert (picture.pixels == samples[:, :, :3]).all()
        assert (picture.alpha is not None) == (channels == 4)
        assert picture.alpha is None or (picture.alpha == samples[:, :, 3]).all()
    gray = images.encoded(Image.fromarray(samples[:, :, 0]), "TIFF")
    assert (decode(gray).pixels == samples[:, :, 0]).all()
    white_is_zero = decode(changed(gray, (262, 3, 1, 0)))
    assert (white_is_zero.pixels == 65535 - samples[:, :, 0]).all()


def test_planes_that_are_stored_apart() -> None:
    """OpenCV mixes those of 16 bits up; Pillow reads them with 8."""
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 65536, (9, 7, 3), np.uint16)
    planes = samples.transpose(2, 0, 1).astype("<u2").tobytes()
    size = len(planes) // 3
    at = 8 + 2 + 12 * 9 + 4
    tags = [(256, 4, 1, 7), (257, 4, 1, 9), (258, 3, 3, at + len(planes)), (262, 3, 1, 2)]
    tags += [(273, 4, 3, at + len(planes) + 6), (277, 3, 1, 3), (278, 4, 1, 9)]
    tags += [(279, 4, 3, at + len(planes) + 18), (284, 3, 1, 2)]
    head = struct.pack("<2sHIH", b"II", 42, 8, 9)
    head += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    places = struct.pack("<3H3I3I", 16, 16, 16, at, at + size, at + 2 * size, size, size, size)
    picture = decode(head + planes + places)
    assert (rgb(picture) == samples >> 8).all()
    assert picture.notes == (notes.REDUCED_PLANES,)


def test_twelve_bits_of_a_scanner() -> None:
    values = np.array([[0, 1, 2048, 4095], [4095, 16, 15, 0]])
    pairs = values.reshape(-1, 2)
    packed = b"".join(struct.pack(">I", int(a) << 12 | int(b))[1:] for a, b in pairs)
    eight = images.encoded(Image.new("L", (6, 2), 7), "TIFF")
    data = eight.replace(b"\7" * 12, packed)
    data = changed(data, (256, 4, 1, 4), (258, 3, 1, 12))
    assert np.abs(decode(data).pixels - values * (65535 / 4095)).max() <= 1


def test_alpha_that_weights_the_colours_of_a_tiff() -> None:
    colours = np.full((2, 3, 3), (40_000, 20_000, 10_000), np.uint16)
    alpha = np.array([[65535, 32768, 0], [1, 30_000, 65535]], np.uint16)
    weighted = np.rint(colours * (alpha[:, :, None] / 65535)).astype(np.uint16)
    data = changed(files.tiff16(np.dstack([weighted, alpha])), (338, 3, 1, 1))
    picture = decode(data)
    shown = alpha > 20_000
    assert picture.alpha is not None and (picture.alpha == alpha).all()
    assert np.abs(picture.pixels[shown].astype(int) - colours[shown]).max() <= 2
    eight = changed(images.encoded(masked(), "TIFF"), (338, 3, 1, 1))
    assert decode(eight).alpha is not None
    other = decode(changed(files.tiff16(np.dstack([weighted, alpha])), (338, 3, 1, 0)))
    assert other.alpha is None  # a fourth sample that is no alpha


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "TIFF16", "TIFFL", "AVIF"])
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    """A single strip of gray samples is what Pillow would map into memory, and turn wrongly."""
    image = Image.new("RGB", (24, 16), "black")
    image.paste("white", (0, 0, 8, 8))  # marks the upper left corner
    if kind == "TIFF16":
        samples = np.asarray(image, np.uint16) * 257
        data = changed(files.tiff16(samples), (274, 3, 1, orientation))
    else:
        exif = files.exif(orientation)
        mode, written = ("L", "TIFF") if kind == "TIFFL" else ("RGB", kind)
        data = images.encoded(image.convert(mode), written, exif=exif)
    with tempfile.TemporaryDirectory() as name:  # opened by its path, as a child does
        path = Path(name) / "picture"
        path.write_bytes(data)
        picture = mending.decode(path, Path(name), MANY)
        with path.open("rb") as file:
            header = inspect(file, tuple(INPUT_MEDIA_TYPES))
    assert picture.size == ((24, 16) if orientation < 5 else (16, 24))
    assert picture.size == (header.width, header.height)
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1)}
    corners |= {7: (-1, -1), 8: (-1, 0)}
    corner = corners[orientation]
    level = picture.pixels.astype(float) / picture.max_value
    level = level if level.ndim == 2 else level[:, :, 0]
    assert level[corner] > 0.8 and sum(level[at] > 0.8 for at in {*corners.values()}) == 1


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_heic_turns_itself_and_its_exif_does_not(turns: int, axis: int | None) -> None:
    decoder, data = files.coded()
    own = [decoder, files.ispe(128, 64), files.box(b"irot", bytes([turns]))]
    own += [] if axis is None else [files.box(b"imir", bytes([axis]))]
    block = struct.pack(">I", 0) + files.exif(6).tobytes()
    items = [files.Item(b"hvc1", data, own), files.Item(b"Exif", block)]
    picture = decode(files.heif(items, [(b"cdsc", 2, [1])]))
    upright = np.rot90(heic_scene(), turns)  # to the left
    if axis is not None:  # 0: top and bottom change places; 1: left and right (HEIF, 6.5.12)
        upright = upright[::-1] if axis == 0 else upright[:, ::-1]
    assert images.psnr(rgb(picture), upright) > 30


def test_notes_say_what_is_not_kept() -> None:
    for kind, note in (("WEBP", notes.FIRST_FRAME), ("GIF", notes.FIRST_FRAME)):
        assert decode(files.animated(kind)).notes == (note,)
    assert decode(files.animated("AVIF")).notes == (notes.FIRST_FRAME,)
    assert decode(files.animated("TIFF")).notes == (notes.FIRST_PAGE,)
    assert decode(files.heic("two")).notes == (notes.MAIN_PICTURE,)
    assert decode(files.tiles()).notes == ()
    decoder, data = files.coded()
    own = [decoder, files.ispe(128, 64)]
    said = files.full_box(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
    items = [files.Item(b"hvc1", data, own), files.Item(b"hvc1", data, [*own, said])]
    assert decode(files.heif(items, [(b"auxl", 2, [1])])).notes == (notes.GAIN_MAP,)
    assert decode(images.encoded(plain("CMYK"), "TIFF")).notes == (notes.FROM_CMYK,)
    first = decode(files.animated("GIF"))
    assert (first.pixels == decode(images.encoded(plain(), "GIF")).pixels).all()


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "TIFF"])
def test_profiles_are_carried_on(kind: str) -> None:
    assert decode(images.encoded(plain(), kind, icc_profile=ICC)).icc == ICC
    broken = decode(images.encoded(plain(), kind, icc_profile=b"x" * 300))
    assert broken.icc is None and broken.notes == (notes.PROFILE_BROKEN,)


def test_colours_that_a_heif_file_names() -> None:
    """As the same code points in a PNG's cICP: none for sRGB, a profile, or light for the eye."""
    decoder, data = files.coded()

    def named(primaries: int, transfer: int) -> Picture:
        said = files.box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, 6, 0x80))
        return decode(files.heif([files.Item(b"hvc1", data, [decoder, files.ispe(128, 64), said])]))

    srgb = named(1, 13)
    assert srgb.icc is None and srgb.notes == ()
    p3 = named(12, 13)
    assert p3.icc is not None and (p3.pixels == srgb.pixels).all()
    hdr = named(9, 16)
    assert hdr.notes == (notes.HDR.format("PQ"),) and (hdr.pixels != srgb.pixels).any()
    unknown = files.samples()["avif"][0].replace(b"nclx\0\1", b"nclx\0\xfa")
    assert decode(unknown).notes == (notes.CICP_UNKNOWN,)
    turned = decode(files.heic("turned"))
    assert turned.icc is not None and len(turned.icc) == 588


def test_cmyk_of_a_tiff_becomes_srgb() -> None:
    data = images.encoded(plain("CMYK"), "TIFF", compression="tiff_lzw")
    expected = np.asarray(files.opened(data).convert("RGB"))
    assert (rgb(decode(data)) == expected).all()


def test_print_resolution() -> None:
    for kind in ("TIFF", "BMP"):
        found = decode(images.encoded(plain(), kind, dpi=(300, 150))).resolution
        assert found is not None and (round(found.x), round(found.y)) == (300, 150)
    turned = decode(images.encoded(plain(), "TIFF", dpi=(300, 150), exif=files.exif(6))).resolution
    assert turned is not None and (turned.x, turned.y) == (150, 300)
    ratio = changed(images.encoded(plain(), "TIFF", dpi=(2, 1)), (296, 3, 1, 1))
    found = decode(ratio).resolution
    assert found is not None and not found.absolute and found.x / found.y == 2
    assert decode(images.encoded(plain(), "WEBP")).resolution is None


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "TIFF", "HEIC"])
def test_metadata_is_kept_on_request(kind: str) -> None:
    described = files.exif(6)
    if kind != "TIFF":
        described[0x8825] = {1: "N"}
    if kind == "HEIC":
        data = files.heic("turned")
    else:
        packet = b"<x:xmpmeta xmlns:x='a'/>"
        options = {} if kind == "TIFF" else {"xmp": packet}
        if kind == "TIFF":
            described[700] = packet
        data = images.encoded(plain(), kind, exif=described, **options)
    if kind == "TIFF":  # Pillow writes no place into one
        data += bytes(len(data) % 2)
        place = struct.pack("<HHHI4sI", 1, 1, 2, 2, b"N", 0)
        data = changed(data + place, (0x8825, 4, 1, len(data)))
    assert "EXIF" in decode(data).notes[-1]
    for choice in ("safe", "all"):
        block = Image.Exif()
        block.load(decode(data, choice).metadata.exif)
        assert block.get(0x013B) == "Ada"
        assert block.get(0x0112, 1) == 1
    if kind != "HEIC":
        kept = decode(data, "all").metadata
        assert kept.xmp.startswith(b"<x:xmpmeta")
        block = Image.Exif()
        block.load(kept.exif)
        assert block.get_ifd(0x8825)[1] == "N"


def test_iptc_of_a_tiff() -> None:
    field = b"\x1c\x02\x50\x00\x03Ada"
    data = images.encoded(plain(), "TIFF", tiffinfo={33723: field})
    assert decode(data, "all").metadata.iptc == field
    assert "IPTC" in decode(data).notes[-1]


@pytest.mark.parametrize("bits", ["1", "L", "P"])
@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
def test_few_colours_are_remembered(kind: str, bits: str) -> None:
    image = plain().quantize(16) if bits == "P" else plain(bits)
    data = images.encoded(image, kind)
    picture = decode(data)
    assert picture.few_colours == (bits != "L")
    assert (rgb(picture) == np.asarray(image.convert("RGB" if bits == "P" else "L"))).all()


def test_fax_and_jpeg_in_a_tiff() -> None:
    fax = images.encoded(plain("1"), "TIFF", compression="group4")
    assert (decode(fax).pixels == np.asarray(plain("1").convert("L"))).all()
    photo = images.encoded(plain(), "TIFF", compression="jpeg", quality=95)
    assert images.psnr(rgb(decode(photo)), SCENE) > 28


def test_alpha_and_run_lengths_of_a_bmp() -> None:
    header = struct.pack("<IiiHHIIiiII", 124, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 14 + 124)
    data = head + (header + masks).ljust(124, b"\0") + bytes((1, 2, 3, 4, 5, 6, 7, 8))
    picture = decode(data)
    assert picture.pixels.tolist() == [[[1, 2, 3], [5, 6, 7]]]
    assert picture.alpha is not None and picture.alpha.tolist() == [[4, 8]]
    runs = decode(files.rle_bmp())
    assert runs.pixels[4, 0].tolist() == [0, 0, 0] and runs.pixels[0, 7].tolist() == [135, 90, 9]
    assert runs.pixels[0, 0].tolist() == [60, 40, 4]
    with pytest.raises(BadImage, match="cannot be decoded"):
        decode(files.rle_bmp()[:-10])


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded() -> None:
    for whole in files.samples().values():
        for data in whole:
            with pytest.raises(TooManyPixels):
                decode(data, limit=30)


def test_a_picture_of_another_size_than_its_boxes_say_is_refused() -> None:
    decoder, data = files.coded()
    lying = files.heif([files.Item(b"hvc1", data, [decoder, files.ispe(64, 64)])])
    with pytest.raises(BadImage):
        decode(lying)
    film = bytearray(files.animated("AVIF"))
    at = film.index(b"ispe") + 8
    film[at : at + 8] = struct.pack(">II", 20, 10)
    with pytest.raises(BadImage):
        decode(bytes(film))


@pytest.mark.parametrize("kind", files.samples())
def test_cut_off_it_is_refused_or_whole(kind: InputFormat) -> None:
    """What the header's walk lets pass is what the first picture does not need."""
    for data in files.samples()[kind]:
        whole = decode(data)
        for share in (0.3, 0.6, 0.8, 0.9, 0.97):
            cut = data[: int(len(data) * share)]
            with tempfile.TemporaryFile() as file:
                file.write(cut)
                file.flush()
                try:
                    inspect(file, tuple(INPUT_MEDIA_TYPES))
                    picture = decode(cut)
                except BadImage:
                    continue
            assert (picture.pixels == whole.pixels).all(), share


CHANGES = (malformed_images._flip, malformed_images._cut, malformed_images._number)


@pytest.mark.parametrize("kind", files.samples())
def test_damaged_files_give_an_error_or_the_picture_that_was_promised(kind: InputFormat) -> None:
    """What the header promises in pixels, bits and channels is never exceeded."""
    choose = random.Random(str(kind)).randrange
    ends = {"refused": 0, "failed": 0, "done": 0}
    for number in range(60):
        data = files.samples()[kind][number % len(files.samples()[kind])]
        for _ in range(1 + choose(2)):
            data = CHANGES[choose(len(CHANGES))](data, choose)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            try:
                header = inspect(file, tuple(INPUT_MEDIA_TYPES))
                check_pixels(header.width, header.height, MANY, what="it", setting="MAX_PIXELS")
            except AppError:
                ends["refused"] += 1
                continue
        try:
            picture = decode(data)
        except (BadImage, TooManyPixels):
            ends["failed"] += 1
            continue
        ends["done"] += 1
        depth, channels = header.samples
        assert picture.size == (header.width, header.height)
        assert picture.pixels.dtype.itemsize * 8 <= depth
        planes = 1 if picture.pixels.ndim == 2 else 3
        assert planes + (picture.alpha is not None) <= channels
    assert ends["refused"] and ends["done"], ends
