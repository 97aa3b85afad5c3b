"""Find out how much of a JPEG is missing or damaged, from the warnings of libjpeg."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.errors import BadImage
from models.images.jpeg import END_MARKER, Layout, Scan, read_layout
from models.images.structure import Bytes
from workers.imaging import damage, libjpeg
from workers.imaging.out_of_memory import is_out_of_memory

_BISECTIONS = 8  # finds the damage to 1/256 of the data
_MAX_INTERVALS = 100_000  # take some seconds
_MAX_TABLE_BYTES = 65_536  # before the scan; each interval is decoded with them
_MAX_SIDE = 65_500  # that libjpeg decodes
_PLAIN_BYTES = 0.25  # of a block in an arithmetic-coded picture that is plain all over
_READ_AHEAD_BYTES = 4  # that an arithmetic decoder takes beyond the end; they count as zeros
_HEIGHT_AT = 3  # in a frame header
_RESTART_MARKER = re.compile(rb"\xff[\xd0-\xd7]")
# What comes after damage depends on bytes that are added there. FF would be a marker.
_OTHER_DATA = np.random.default_rng(0).integers(0, 255, 256, np.uint8).tobytes()


def examine(data: Bytes) -> str | None:
    """Return the note about what the JPEG ``data`` lacks, or None if it is whole.

    Damage that libjpeg does not notice is not noticed: wrong bits may be valid codes.

    Raises:
        BadImage: more than ``MAX_MISSING_SHARE`` of the picture is missing.
    """
    had_end = read_layout(data).has_end_marker
    bare = libjpeg.bare(data)
    layout = read_layout(bare)
    if layout.lacks_component:
        return damage.missing("JPEG", 1.0)
    warning = libjpeg.warning(bare, layout)
    if not warning:
        return _note_silent(bare, layout)
    alone = libjpeg.has_restarts(layout) and len(layout.scans) == 1
    share = _missing_intervals(bare, layout, had_end) if alone else None
    if share or (share is not None and not libjpeg.left_over(warning)):
        return damage.missing("JPEG", share)
    if libjpeg.left_over(warning):
        return _note_left_over(bare, layout, warning, had_end)
    return _note_damage(bare, layout, warning)


def _note_silent(bare: bytes, layout: Layout) -> str | None:
    """Return the note for what gives no warning: missing scans, or data that end early.

    Data end early without one where they are arithmetic-coded, or the sampling factors are rare.
    """
    is_judged = not layout.is_arithmetic and libjpeg.gives_warnings(bare)
    if not is_judged and not layout.is_progressive:
        share = _missing_after(bare, layout)
        if share and not layout.is_arithmetic:
            return damage.missing("JPEG", share, more=True)
        blocks = layout.width * layout.height / libjpeg.SCALE**2 * (1 - share)
        coded = sum(scan.end - scan.start for scan in layout.scans)
        if share and coded > blocks * _PLAIN_BYTES:
            return damage.may_end_early(share)
    return None if layout.is_complete else damage.LESS_DETAIL


def _note_left_over(bare: bytes, layout: Layout, warning: str, had_end: bool) -> str | None:
    if libjpeg.is_harmless(warning, bare[: layout.end], had_end):
        return None if layout.is_complete else damage.LESS_DETAIL
    coded = sum(scan.end - scan.start for scan in layout.scans)
    return damage.left_over(libjpeg.left_over(warning) / coded)


def _note_damage(bare: bytes, layout: Layout, warning: str) -> str | None:
    means = max((n for n, scan in enumerate(layout.scans, 1) if scan.first_dc), default=1)
    if means < len(layout.scans):  # later scans of a progressive JPEG add detail
        bare = bare[: layout.scans[means - 1].end] + END_MARKER
        layout = read_layout(bare)
        warning = libjpeg.warning(bare, layout)
        if not warning or libjpeg.left_over(warning):
            return damage.LESS_DETAIL
    if warning != libjpeg.HIT_MARKER:
        bare = bare[: _first_damage(bare, layout)] + END_MARKER
        layout = read_layout(bare)
        if layout.lacks_component:
            return damage.missing("JPEG", 1.0)
    return damage.missing("JPEG", _missing_after(bare, layout), more=True)


def _first_damage(bare: bytes, layout: Layout) -> int:
    """Return up to where the data are sound: cut off there, they only end early."""
    sound, damaged = layout.scans[0].start, layout.end
    for _ in range(_BISECTIONS):
        middle = (sound + damaged) // 2
        cut = bare[:middle] + END_MARKER
        if libjpeg.warning(cut, read_layout(cut)) in {"", libjpeg.HIT_MARKER}:
            sound = middle
        else:
            damaged = middle
    return sound


def _missing_after(bare: bytes, layout: Layout) -> float:
    """Return the share of the picture that depends on what comes after the data of its scans.

    Without restart markers all that follows the first such pixel is missing.
    """
    ends = [scan.end for scan in layout.scans]
    if libjpeg.has_restarts(layout):
        ends += [marker.start() for marker in _RESTART_MARKER.finditer(bare, layout.scans[0].start)]
    cuts = [0, *sorted(ends), len(bare)]
    inserted = (bytes(_READ_AHEAD_BYTES) if layout.is_arithmetic else b"") + _OTHER_DATA
    other = inserted.join(bare[start:end] for start, end in pairwise(cuts))
    try:
        first, second = (libjpeg.decode(each, layout, strict=False) for each in (bare, other))
    except ValueError as error:
        if is_out_of_memory(error):
            raise
        raise BadImage(f"the picture cannot be decoded: {error}") from None
    different: NDArray[np.bool_] = np.any(first != second, axis=2)
    if libjpeg.has_restarts(layout) or not different.any():
        return float(np.mean(different))
    height, width = different.shape
    across, down = (max(1, side // libjpeg.SCALE) for side in layout.mcu_size)
    top = int(different.any(axis=1).argmax()) // down * down
    left = int(different[top : top + down].any(axis=0).argmax()) // across * across
    known: float = top * width + left * min(down, height - top)
    return 1 - known / different.size


def _missing_intervals(bare: bytes, layout: Layout, had_end: bool) -> float | None:
    """Return the share of intervals between restart markers that are missing or damaged.

    Each is decoded as a picture of its own. None: they are too many or too long for that.
    """
    (scan,) = layout.scans
    across, down = libjpeg.mcus(layout)
    total, interval = across * down, layout.restart_interval
    count = -(-total // interval)
    if count > _MAX_INTERVALS or scan.start > _MAX_TABLE_BYTES:
        return None
    damaged = 0
    for number, (start, end) in zip(range(count), _intervals(bare, scan), strict=False):
        size = _size_in_mcus(min(interval, total - number * interval), across, layout)
        if size is None:
            return None
        sized = bytearray(bare[: scan.start])
        at = layout.frame + _HEIGHT_AT
        sized[at : at + 4] = size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big")
        alone = b"".join([sized, bare[start:end], END_MARKER])
        warning = libjpeg.warning(alone, layout)
        is_last = number == count - 1
        damaged += bool(warning) and not (
            is_last and libjpeg.is_harmless(warning, bare[start:end], had_end)
        )
    found = 1 + sum(1 for _ in _RESTART_MARKER.finditer(bare, scan.start, scan.end))
    return (damaged + max(0, count - found)) / count


def _intervals(bare: bytes, scan: Scan) -> Iterator[tuple[int, int]]:
    start = scan.start
    for marker in _RESTART_MARKER.finditer(bare, scan.start, scan.end):
        yield start, marker.start()
        start = marker.end()
    yield start, scan.end


def _size_in_mcus(count: int, across: int, layout: Layout) -> tuple[int, int] | None:
    """Return the (width, height) of a picture of ``count`` MCUs, or None if there is none."""
    columns, rows = (across, count // across) if count % across == 0 else (count, 1)
    width, height = (side * mcu for side, mcu in zip((columns, rows), layout.mcu_size, strict=True))
    return (width, height) if max(width, height) <= _MAX_SIDE else None
