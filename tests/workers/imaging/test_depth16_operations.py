"""16-bit PNGs of every kind through every operation, compared with numpy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support import images
from tests.support.icc_profiles import DISPLAY_P3, matrix_profile
from tests.support.png16 import (
    KINDS,
    Array,
    file_of,
    process,
    results,
    scene,
    split_up,
    unfiltered,
)
from tests.workers.imaging.test_codec import GRAY_ICC, ICC
from workers.imaging import notes

# The oracle: matrices over rows and columns, in double precision, colour weighted by alpha.


def area(before: int, after: int) -> Array:
    edges = np.arange(after + 1) * before / after
    low, high = edges[:-1, None], edges[1:, None]
    cells = np.arange(before)
    shared: Array = np.clip(np.minimum(high, cells + 1) - np.maximum(low, cells), 0, None)
    return shared * after / before


def kernel(before: int, after: int, reach: int, weight: Callable[[Array], Array]) -> Array:
    matrix = np.zeros((after, before))
    for row in range(after):
        at = (row + 0.5) * before / after - 0.5
        taps = np.arange(int(np.floor(at)) - reach + 1, int(np.floor(at)) + reach + 1)
        weights = weight(at - taps)
        np.add.at(matrix[row], np.clip(taps, 0, before - 1), weights / weights.sum())
    return matrix


def lanczos(before: int, after: int) -> Array:
    return kernel(before, after, 4, lambda d: np.sinc(d) * np.sinc(d / 4))


def cubic(before: int, after: int, a: float = -0.75) -> Array:
    def weight(d: Array) -> Array:
        d = abs(d)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, far)

    return kernel(before, after, 2, weight)


def gauss(side: int, reach: int, sigma: float) -> Array:
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    matrix = np.zeros((side, side))
    for row in range(side):
        for tap, weight in zip(range(row - reach, row + reach + 1), weights, strict=True):
            period = max(1, 2 * (side - 1))
            mirrored = min(tap % period, -tap % period)
            matrix[row, mirrored] += weight / weights.sum()
    return matrix


def filtered(planes: tuple[Array, Array | None], rows: Array, columns: Array) -> Array:
    colours, alpha = planes
    cut = colours[:, :, None] if colours.ndim == 2 else colours
    weight = np.ones(cut.shape[:2]) if alpha is None else alpha / 65535
    below = rows @ weight @ columns.T
    seen = below >= 0.5 / 65535
    made = [
        np.where(seen, rows @ (cut[:, :, c] * weight) @ columns.T / np.where(seen, below, 1), 0)
        for c in range(cut.shape[2])
    ]
    result: Array = np.dstack([*made, *([] if alpha is None else [below * 65535])])
    return np.clip(result, 0, 65535)


FILTERS: list[tuple[str, Callable[[int], Array]]] = [
    ("resize=0.5", lambda n: area(n, n // 2)),
    ("resize=0.7", lambda n: area(n, n * 7 // 10)),
    ('{"op": "thumbnail", "width": 8, "height": 99}', lambda n: area(n, n // 5)),
    ("resize=2", lambda n: lanczos(n, 2 * n)),
    ('{"op": "resize", "scale": 3, "filter": "cubic"}', lambda n: cubic(n, 3 * n)),
    ("blur=25", lambda n: gauss(n, 12, 0.3 * 11 + 0.8)),
    ('{"op": "blur", "sigma": 1.3}', lambda n: gauss(n, 4, 1.3)),
]


@pytest.mark.parametrize(("operation", "matrix"), FILTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_filters_match_the_numpy_oracle(
    tmp_path: Path, kind: str, operation: str, matrix: Callable[[int], Array]
) -> None:
    wide = scene(kind)
    ((made, written),) = results(tmp_path, file_of(kind, wide), operation)
    planes = split_up(kind, wide)
    expected = filtered(planes, matrix(30), matrix(40))
    _, found = unfiltered(written)
    found = found[:, :, None] if found.ndim == 2 else found
    off = abs(found - expected)
    if planes[1] is not None:
        assert off[:, :, -1].max() <= 1
        off = off[expected[:, :, -1] >= 64]  # below a thousandth of opacity no colour is visible
    assert off.max() <= 2
    assert made.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_operations_that_move_pixels_are_exact(tmp_path: Path, kind: str) -> None:
    wide = scene(kind, 41, 31)
    colours, alpha = split_up(kind, wide)
    whole = colours if alpha is None else np.dstack([colours, alpha])
    quarters = [whole[y, x] for y in np.s_[:15, 15:] for x in np.s_[:20, 20:]]
    for operation, expected in (
        ("rotate=90", [np.rot90(whole, -1)]),
        ("rotate=180", [np.rot90(whole, 2)]),
        ("flip", [whole[:, ::-1]]),
        ("flip=vertical", [whole[::-1]]),
        ('{"op": "crop", "x": 5, "y": 3, "width": 21, "height": 17}', [whole[3:20, 5:26]]),
        ("split", quarters),
        ("resize=1", [whole]),
        ("thumbnail=99", [whole]),
    ):
        made = results(tmp_path, file_of(kind, wide), operation)
        for (output, written), array in zip(made, expected, strict=True):
            assert (unfiltered(written)[1] == array).all(), operation
            assert output.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_grayscale(tmp_path: Path, kind: str) -> None:
    wide = scene(kind)
    colours, alpha = split_up(kind, wide)
    ((made, written),) = results(tmp_path, file_of(kind, wide), "grayscale")
    luma = colours if colours.ndim == 2 else colours @ np.array([0.299, 0.587, 0.114])
    _, found = unfiltered(written)
    assert made.notes == ()
    if alpha is not None:
        assert (found[:, :, 1] == alpha).all()
        found = found[:, :, 0]
    assert abs(found - luma).max() <= 2


def narrowed(kind: str, wide: Array) -> bytes:
    """Return ``wide`` as a PNG, rounded to 8 bits a sample."""
    colours, alpha = split_up(kind, wide)
    whole = colours if alpha is None else np.dstack([colours, alpha])
    return images.by_hand(((whole.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_reduction_to_8_bits_has_a_note(tmp_path: Path, kind: str) -> None:
    """The bytes equal those of the picture rounded to 8 bits, and one note gives the reason."""
    wide = scene(kind)
    deep, narrow = file_of(kind, wide), narrowed(kind, wide)
    on_white = (notes.ON_WHITE,) if split_up(kind, wide)[1] is not None else ()
    cases: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = [
        (("rotate=90",), "jpeg", (notes.REDUCED_FOR_FORMAT, *on_white)),
        (("split",), "webp", (notes.REDUCED_FOR_FORMAT,)),
        (("upscale=2",), "png", (notes.REDUCED_FOR_NETWORK,)),
        (("rotate=90", "upscale=2", "blur=3"), "png", (notes.REDUCED_FOR_NETWORK,)),
        (("upscale=2", "upscale=2"), "png", (notes.REDUCED_FOR_NETWORK,)),
        (("split", "upscale=2"), "jpeg", (notes.REDUCED_FOR_NETWORK, *on_white)),
    ]
    for operations, output, expected_notes in cases:
        made = results(tmp_path, deep, *operations, output=output)
        plain = results(tmp_path, narrow, *operations, output=output)
        assert [data for _, data in made] == [data for _, data in plain]
        assert {result.notes for result, _ in made} == {expected_notes}
        assert {result.notes for result, _ in plain} <= {(), on_white}


def test_grayscale_through_a_profile_works_in_8_bits(tmp_path: Path) -> None:
    icc = matrix_profile("Display P3", DISPLAY_P3, 2.2)
    profile = images.chunk(b"iCCP", b"P3\0\0" + zlib.compress(icc))
    for kind in ("rgb", "rgba"):
        wide = scene(kind)
        narrow = narrowed(kind, wide)
        plain = narrow[:33] + profile + narrow[33:]
        ((_, expected),) = results(tmp_path, plain, "grayscale")
        ((made, found),) = results(tmp_path, file_of(kind, wide, before=profile), "grayscale")
        assert found == expected
        assert made.notes == (notes.REDUCED_FOR_PROFILE,)
    wide = scene("gray")  # gray already: a profile for RGB says nothing about it
    ((made, found),) = results(tmp_path, file_of("gray", wide, before=profile), "grayscale")
    assert (unfiltered(found)[1] == wide).all()
    assert made.notes == (notes.PROFILE_MISFIT,)


@pytest.mark.parametrize("operation", ["resize=2", "resize=0.7", "blur=9", "thumbnail"])
def test_no_fringe_at_transparent_edges(tmp_path: Path, operation: str) -> None:
    """White on transparent black: visible pixels must not turn gray, values must not wrap round."""
    wide = np.zeros((240, 240, 4), np.uint16)
    wide[60:180, 60:180] = 65535
    ((_, written),) = results(tmp_path, images.by_hand(wide), operation)
    found = unfiltered(written)[1]
    seen = found[:, :, 3] >= 64
    assert seen.any() and not seen.all()
    assert found[seen][:, :3].min() >= 65533


def test_overshoot_is_clipped_not_wrapped(tmp_path: Path) -> None:
    edge = np.zeros((16, 16, 3), np.uint16)
    edge[:, 8:] = 65535
    for alpha in (None, np.full((16, 16), 30000, np.uint16)):
        wide = edge if alpha is None else np.dstack([edge, alpha])
        ((_, written),) = results(tmp_path, images.by_hand(wide), "resize=3")
        row = unfiltered(written)[1][24, :, 0].astype(int)
        assert row[:20].max() <= 6000 and row[28:].min() >= 59000


PIPELINE = ("blur=5", "resize=2", "rotate=90", "upscale=2", "blur=3")


@pytest.mark.parametrize("padding", [None, 0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_resuming_from_any_intermediate_result_gives_the_same_bytes(
    tmp_path: Path, kind: str, padding: int | None
) -> None:
    """``padding``: bytes behind the profile; None: there is none, but a gamma."""
    profile = GRAY_ICC if kind.startswith("gray") else ICC
    icc = None if padding is None else profile + bytes(padding)
    gamma = images.chunk(b"gAMA", struct.pack(">I", 100000))
    before = gamma if icc is None else images.chunk(b"iCCP", b"x\0\0" + zlib.compress(icc))
    data = file_of(kind, scene(kind, 23, 17), before=before)
    numbers = range(1, len(PIPELINE))
    whole = process(tmp_path / "whole", data, *PIPELINE, keep=numbers)
    expected = Path(whole.results[0].path).read_bytes()
    first = (notes.GAMMA,) if icc is None else ()
    assert whole.results[0].notes == (*first, notes.REDUCED_FOR_NETWORK)
    for number in numbers:
        kept = whole.kept[number]
        rest = process(
            tmp_path / "rest", Path(kept.path).read_bytes(), *PIPELINE[number:], notes=kept.notes
        )
        assert kept.notes == (first if number < 4 else (*first, notes.REDUCED_FOR_NETWORK))
        assert Path(rest.results[0].path).read_bytes() == expected
        assert rest.results[0].notes == whole.results[0].notes


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 3), (13, 11), (127, 97)])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_and_prime_sizes(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    wide = scene(kind, *size)
    for operation, scale in (("resize=3", 3), ("blur=25", 1), ("grayscale", 1), ("upscale=2", 2)):
        ((made, _),) = results(tmp_path, file_of(kind, wide), operation)
        assert (made.width, made.height) == (size[0] * scale, size[1] * scale)
