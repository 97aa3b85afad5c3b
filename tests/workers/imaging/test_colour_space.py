"""Colours that a file says by cICP, gAMA with cHRM, or EXIF: what a viewer of the result sees.

Samples are made by the forward formulas of the standards, and the product inverts them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support import images
from tests.support.icc_profiles import ADOBE_RGB, DISPLAY_P3, Primaries
from tests.workers.imaging.test_codec import GRAY_ICC, ICC
from tests.workers.imaging.test_picture_promises import in_srgb, process, with_chunk
from workers.imaging import cicp, hdr, icc_profile, matrix_profile, notes

Light = NDArray[np.float64]
SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
BT2020: Primaries = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
BT470BG: Primaries = ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06))
SMPTE_C: Primaries = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
EBU: Primaries = ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077))
COLOURS = np.array([[0.30, 0.25, 0.20], [0.10, 0.12, 0.16], [0.5, 0.5, 0.5], [0.02, 0.02, 0.03]])
"""Linear light in sRGB's primaries; inside all others."""


def matrix(primaries: Primaries) -> Light:
    """Return the matrix from linear RGB to XYZ with white at D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, [0.3127 / 0.3290, 1, 0.3583 / 0.3290])


def srgb(light: Light) -> Light:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def bt709(light: Light) -> Light:
    return np.where(light < 0.018054, 4.5 * light, 1.0992968 * light**0.45 - 0.0992968)


def smpte240(light: Light) -> Light:
    return np.where(light < 0.0228, 4 * light, 1.1115 * light**0.45 - 0.1115)


def pq(nits: Light) -> Light:
    """SMPTE ST 2084, from cd/m2."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(scene: Light) -> Light:
    """ITU-R BT.2100, from the light of the scene, 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    )


def coded(shares: Light, points: tuple[int, ...], deep: bool = True) -> bytes:
    """Return a PNG of the (n, 3) or (n,) ``shares`` of the maximum, in wide patches, with cICP."""
    depth = np.uint16 if deep else np.uint8
    samples = np.rint(shares * np.iinfo(depth).max).astype(depth)
    rows = np.repeat(np.repeat(samples[None], 4, axis=0), 4, axis=1)
    return images.by_hand(rows, before=images.chunk(b"cICP", bytes(points)))


def patches(image: Image.Image) -> NDArray[np.int64]:
    return in_srgb(image)[2, 2::4].astype(np.int64)


@pytest.mark.parametrize(
    ("code", "primaries"),
    [(1, SRGB), (5, BT470BG), (6, SMPTE_C), (7, SMPTE_C), (9, BT2020), (12, DISPLAY_P3), (22, EBU)],
)
@pytest.mark.parametrize(
    ("transfer", "encode"),
    [
        (1, bt709),
        (4, lambda light: light ** (1 / 2.2)),
        (5, lambda light: light ** (1 / 2.8)),
        (7, smpte240),
        (8, lambda light: light),
        (13, srgb),
        (14, bt709),
    ],
)
def test_cicp_becomes_an_exact_profile(
    tmp_path: Path, code: int, primaries: Primaries, transfer: int, encode: Callable[[Light], Light]
) -> None:
    light = COLOURS @ (np.linalg.inv(matrix(primaries)) @ matrix(SRGB)).T
    data = coded(encode(light), (code, transfer, 0, 1), deep=False)
    result, made = process(tmp_path, data)
    assert made.notes == ()
    stored = np.asarray(images.decoded(data))
    assert (np.asarray(result) == stored).all()  # the samples stay as they are
    assert ("icc_profile" in result.info) == ((code, transfer) != (1, 13))
    # An 8-bit sample of linear light is a wide step in the dark.
    within = 14 if transfer == 8 else 3
    assert np.abs(patches(result) - 255 * srgb(COLOURS)).max() <= within


@pytest.mark.parametrize("output", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("operation", ["rotate=180", "upscale=2", "thumbnail=8", "grayscale"])
def test_every_format_and_operation_shows_display_p3(
    tmp_path: Path, output: str, operation: str
) -> None:
    data = images.encoded(Image.new("RGB", (16, 16), (200, 120, 100)))
    result, _ = process(
        tmp_path, with_chunk(data, b"cICP", bytes((12, 13, 0, 1))), operation, output=output
    )
    middle = result.width // 2
    found = in_srgb(result)[middle, middle].astype(int)
    expected = np.array([212, 118, 97])  # of (200, 120, 100), by the matrix of CSS Color 4
    if operation == "grayscale":
        expected = np.full(3, expected @ [0.299, 0.587, 0.114])
    assert np.abs(found - expected).max() <= 5


def test_white_points_are_adapted() -> None:
    """White stays white, whatever the white of the primaries."""
    for code in (4, 8, 10, 11):
        points = cicp.interpret(bytes((code, 13, 0, 1)))
        assert points is not None and points.curve is not None
        icc = matrix_profile.rgb_profile("x", points.primaries, points.curve)
        assert icc_profile.validated(icc) == icc
        white = Image.new("RGB", (1, 1), "white")
        assert icc_profile.to_srgb(white, icc).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("deep", [False, True])
def test_gray_gets_a_gray_profile_or_none(tmp_path: Path, deep: bool) -> None:
    light = COLOURS[:, 0]
    for transfer, encode in ((13, srgb), (1, bt709)):
        data = coded(encode(light), (9, transfer, 0, 1), deep)
        for output in ("png", "jpeg"):
            result, made = process(tmp_path, data, output=output)
            icc = result.info.get("icc_profile")
            assert (icc is None) == (transfer == 13)
            assert icc is None or icc_profile.fits(icc, "L")
            assert result.mode in {"L", "I;16"}
        webp, made = process(tmp_path, data, output="webp")
        assert np.abs(patches(webp)[:, 0] - 255 * srgb(light)).max() <= 5
        assert (notes.GRAY_PROFILE.format("WebP") in made.notes) == (transfer != 13)
        assert {*made.notes} <= {notes.REDUCED_FOR_FORMAT, notes.GRAY_PROFILE.format("WebP")}


def test_pq_is_converted_by_the_rule(tmp_path: Path) -> None:
    """Up to 0.8 of white as it is; white near white; 1000 cd/m2 white; all of it in order."""
    light = COLOURS @ (np.linalg.inv(matrix(BT2020)) @ matrix(SRGB)).T
    result, made = process(tmp_path, coded(pq(light * 203), (9, 16, 0, 1), deep=False))
    assert np.abs(patches(result) - 255 * srgb(COLOURS)).max() <= 3
    assert made.notes == (notes.HDR.format("PQ"),)
    assert "icc_profile" not in result.info
    ramp = np.array([0, 100, 162, 203, 400, 600, 1000, 4000, 10_000.0])
    data = coded(pq(np.repeat(ramp[:, None], 3, axis=1)), (9, 16, 0, 1))
    found = patches(process(tmp_path, data)[0])
    assert (np.ptp(found, axis=1) == 0).all()  # neutral stays neutral
    assert np.abs(found[:3, 0] - 255 * srgb(ramp[:3] / 203)).max() <= 1
    assert found[3, 0] in range(240, 248)
    assert (np.diff(found[:6, 0]) > 0).all() and (found[6:] == 255).all()


def test_hlg_is_converted_by_the_rule(tmp_path: Path) -> None:
    scene = np.array([0.01, 0.05, 0.1, 0.15])
    nits = 1000 * scene**1.2
    data = coded(hlg(np.repeat(scene[:, None], 3, axis=1)), (9, 18, 0, 1))
    result, made = process(tmp_path, data)
    assert np.abs(patches(result)[:, 0] - 255 * srgb(nits / 203)).max() <= 1
    assert made.notes == (notes.HDR.format("HLG"),)
    gray, _ = process(tmp_path, coded(hlg(scene), (9, 18, 0, 1)))
    assert np.abs(np.asarray(gray)[2, 2::4] / 257 - 255 * srgb(nits / 203)).max() <= 1
    white = coded(hlg(np.array([[0.265, 0.265, 0.265], [1, 1, 1]])), (9, 18, 0, 1))
    near, most = patches(process(tmp_path, white)[0])[:, 0]
    assert 240 <= near <= 248 and most == 255


def test_hdr_keeps_depth_and_alpha_and_works_in_bands() -> None:
    points = cicp.interpret(bytes((9, 16, 0, 1)))
    assert points is not None
    deep = np.random.default_rng(0).integers(0, 65536, (700, 300, 3), dtype=np.uint16)
    whole = hdr.to_srgb(deep, points)
    assert whole.dtype == np.uint16
    assert (hdr.to_srgb(deep[640:], points) == whole[640:]).all()
    assert (hdr.to_srgb(np.ascontiguousarray(deep[:1]), points) == whole[:1]).all()


def test_narrow_range_is_widened(tmp_path: Path) -> None:
    levels = np.array([[16, 16, 16], [235, 235, 235], [0, 125, 255]]) / 255
    result, made = process(tmp_path, coded(levels, (1, 13, 0, 0), deep=False))
    assert patches(result).tolist() == [[0, 0, 0], [255, 255, 255], [0, 127, 255]]
    assert made.notes == (notes.NARROW_RANGE,)
    deep = np.array([[4096, 60160, 32128]]) / 65535
    result, made = process(tmp_path, coded(deep, (1, 13, 0, 0)))
    assert patches(result).tolist() == [[0, 255, 128]]


@pytest.mark.parametrize(
    "body",
    [b"", b"\x0c\x0d\0", b"\x0c\x0d\0\1\0", *map(bytes, [(3, 13, 0, 1), (99, 13, 0, 1)])]
    + [bytes(each) for each in [(12, 17, 0, 1), (12, 9, 0, 1), (9, 16, 9, 1), (12, 13, 0, 2)]],
)
def test_code_points_that_cannot_be_used_are_a_note(tmp_path: Path, body: bytes) -> None:
    data = with_chunk(images.png(), b"cICP", body)
    result, made = process(tmp_path, data)
    assert made.notes == (notes.CICP_UNKNOWN,)
    assert (np.asarray(result) == images.scene()).all()
    kept, made = process(tmp_path, with_chunk(images.png(icc_profile=ICC), b"cICP", body))
    assert kept.info["icc_profile"] == ICC and made.notes == (notes.CICP_UNKNOWN,)


def test_cicp_comes_before_all_else(tmp_path: Path) -> None:
    data = images.png(icc_profile=ICC)
    for kind, body in ((b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")):
        data = with_chunk(data, kind, body)
    result, made = process(tmp_path, with_chunk(data, b"cICP", bytes((12, 13, 0, 1))))
    assert made.notes == (notes.PROFILE_OVERRULED,)
    assert result.info["icc_profile"] not in {None, ICC}
    late = images.png()[:-12] + images.chunk(b"cICP", bytes((12, 13, 0, 1))) + images.png()[-12:]
    result, made = process(tmp_path, late)  # behind the samples it does not count
    assert "icc_profile" not in result.info and made.notes == ()


def chrm(primaries: Primaries, white: tuple[float, float] = (0.3127, 0.3290)) -> bytes:
    values = [value for point in (white, *primaries) for value in point]
    return struct.pack(">8I", *(round(value * 100_000) for value in values))


@pytest.mark.parametrize(
    ("primaries", "gamma"), [(DISPLAY_P3, 2.2), (ADOBE_RGB, 563 / 256), (BT2020, 1.0), (SRGB, 2.2)]
)
def test_primaries_with_a_gamma_become_an_exact_profile(
    tmp_path: Path, primaries: Primaries, gamma: float
) -> None:
    light = COLOURS @ (np.linalg.inv(matrix(primaries)) @ matrix(SRGB)).T
    samples = np.rint(255 * light ** (1 / gamma)).astype(np.uint8)
    rows = np.repeat(np.repeat(samples[None], 4, axis=0), 4, axis=1)
    data = with_chunk(images.encoded(Image.fromarray(rows)), b"cHRM", chrm(primaries))
    data = with_chunk(data, b"gAMA", struct.pack(">I", round(100_000 / gamma)))
    result, made = process(tmp_path, data)
    assert made.notes == () and (np.asarray(result) == rows).all()
    assert ("icc_profile" in result.info) == (primaries != SRGB)
    within = 14 if gamma == 1 else 5
    assert np.abs(patches(result) - 255 * srgb(COLOURS)).max() <= within
    both = with_chunk(data, b"sRGB", b"\0")
    assert "icc_profile" not in process(tmp_path, both)[0].info


def test_primaries_that_say_nothing_are_a_note(tmp_path: Path) -> None:
    data = with_chunk(images.png(), b"cHRM", chrm(DISPLAY_P3))
    result, made = process(tmp_path, data)
    assert made.notes == (notes.PRIMARIES_ALONE,) and "icc_profile" not in result.info
    gamma = struct.pack(">I", 45_455)
    line: Primaries = ((0.3, 0.3), (0.3, 0.3), (0.3, 0.3))
    for body in (chrm(line), bytes(32), b"\xff" * 32, chrm(DISPLAY_P3, (0.3, 0.0))):
        bad = with_chunk(with_chunk(images.png(), b"cHRM", body), b"gAMA", gamma)
        result, made = process(tmp_path, bad)
        assert made.notes == (notes.PRIMARIES_BROKEN,) and "icc_profile" not in result.info
    gray = with_chunk(
        images.encoded(Image.fromarray(images.scene()[:, :, 0])), b"cHRM", chrm(BT2020)
    )
    assert process(tmp_path, with_chunk(gray, b"gAMA", gamma))[1].notes == ()


def test_adobe_rgb_of_a_camera(tmp_path: Path) -> None:
    """DCF says Adobe RGB in EXIF alone; the index of sRGB says nothing new."""
    for index, wide in (("R03", True), ("R98", False)):
        exif = Image.Exif()
        exif[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: index}}
        data = images.jpeg(exif=exif)
        assert b"R03" in data or not wide
        result, _ = process(tmp_path, data, output="jpeg")
        assert ("icc_profile" in result.info) == wide
        if wide:
            assert b"A\0d\0o\0b\0e" in result.info["icc_profile"]
        own, _ = process(tmp_path, images.jpeg(exif=exif, icc_profile=ICC), output="jpeg")
        assert own.info["icc_profile"] == ICC


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.999])
def test_a_profile_that_is_cut_short_is_dropped(tmp_path: Path, kind: str, share: float) -> None:
    scene, cut = Image.fromarray(images.scene()), ICC[: int(len(ICC) * share)]
    data = images.encoded(scene, kind, icc_profile=cut)
    for output in ("png", "jpeg", "webp"):
        result, made = process(tmp_path, data, "rotate=180", output=output)
        assert "icc_profile" not in result.info and made.notes == (notes.PROFILE_BROKEN,)


def test_a_profile_whose_packing_is_broken_is_dropped(tmp_path: Path) -> None:
    body = b"x\0\0" + zlib.compress(ICC)[:-40]
    result, made = process(tmp_path, with_chunk(images.png(), b"iCCP", body))
    assert "icc_profile" not in result.info and made.notes == (notes.PROFILE_BROKEN,)
    parts = images.jpeg(icc_profile=ICC + bytes(100_000))
    first = parts.index(b"ICC_PROFILE\0\1\2")
    lost = parts[: first + 13] + b"\3" + parts[first + 14 :]  # of three parts one is missing
    result, made = process(tmp_path, lost, output="jpeg")
    assert "icc_profile" not in result.info and made.notes == (notes.PROFILE_BROKEN,)


def tagless(space: bytes, icc: bytes = ICC) -> bytes:
    return icc[:16] + space + icc[20:]


@pytest.mark.parametrize(
    "icc", [tagless(b"CMYK"), tagless(b"GRAY"), ICC[:12] + b"link" + ICC[16:], bytes(400)]
)
def test_a_profile_without_its_tags_is_dropped(tmp_path: Path, icc: bytes) -> None:
    result, made = process(tmp_path, images.png(icc_profile=icc))
    assert "icc_profile" not in result.info and made.notes == (notes.PROFILE_BROKEN,)


@pytest.mark.parametrize("output", ["png", "jpeg", "webp"])
def test_only_a_profile_for_its_samples_is_kept(tmp_path: Path, output: Any) -> None:
    gray = Image.fromarray(images.scene()[:, :, 0])
    colour = Image.fromarray(images.scene())
    for image, icc in ((gray, ICC), (gray.convert("LA"), ICC), (colour, GRAY_ICC)):
        data = images.encoded(image, icc_profile=icc)
        result, made = process(tmp_path, data, output=output)
        assert "icc_profile" not in result.info
        assert notes.PROFILE_MISFIT in made.notes
    result, made = process(tmp_path, images.encoded(gray, icc_profile=GRAY_ICC), output=output)
    is_webp = output == "webp"
    assert made.notes == ((notes.GRAY_PROFILE.format("WebP"),) if is_webp else ())
    assert (result.info.get("icc_profile") == GRAY_ICC) != is_webp
