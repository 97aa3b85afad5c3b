"""Find out how much of a JPEG is missing or damaged, from the warnings of libjpeg.

Decoders fill what is missing with gray and go on; Pillow and OpenCV swallow that libjpeg warned.
simplejpeg raises its first warning. An eighth of each side is decoded, a third of the time of a
decoding in full, and what is no part of the picture's data is left out before, so that no harmless
warning comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from models.errors import BadImage
from models.images.jpeg import END_MARKER, Layout, Scan, read_layout
from models.images.structure import Bytes
from workers.imaging import damage
from workers.imaging.out_of_memory import is_out_of_memory
from workers.imaging.picture import Pixels

_SCALE = 8  # of a side; a pixel is then the mean of a block
_BISECTIONS = 8  # finds the damage to 1/256 of the data
_MAX_SIDE = 65_500  # that libjpeg decodes
_PADDING_BYTES = 4
"""Encoders fill the last word; libjpeg does not count what it has read ahead, up to 8 bytes."""
_READ_AHEAD_BYTES = 4  # that an arithmetic decoder takes beyond the end; they count as zeros
_HEIGHT_AT = 3  # in a frame header
_START = b"\xff\xd8"
_RESTART_MARKER = re.compile(rb"\xff[\xd0-\xd7]")
_LEFT_OVER = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker")
_HIT_MARKER = "Corrupt JPEG data: premature end of data segment"
_WARNINGS = ("Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression sequence")
# What comes after damage depends on bytes that are added there. FF would be a marker.
_OTHER_DATA = np.random.default_rng(0).integers(0, 255, 256, np.uint8).tobytes()


def examine(data: Bytes) -> str | None:
    """Return the note about what the JPEG ``data`` lacks, or None if it is whole.

    Not judged: sampling factors that simplejpeg does not know, and damage that libjpeg does not
    notice, since wrong bits may be valid codes.

    Raises:
        BadImage: more than ``MAX_MISSING_SHARE`` of the picture is missing.
    """
    had_end = read_layout(data).has_end_marker
    bare = _bare(data)
    layout = read_layout(bare)
    if layout.lacks_component:
        return damage.missing("JPEG", 1.0)
    warning = _warning(bare, layout)
    if not warning:
        return _note_silent(bare, layout)
    alone = layout.restart_interval and len(layout.scans) == 1
    share = _missing_intervals(bare, layout, had_end) if alone else None
    if share or (share is not None and not _left_over(warning)):
        return damage.missing("JPEG", share)
    if _left_over(warning):
        return _note_left_over(bare, layout, warning, had_end)
    return _note_damage(bare, layout, warning)


def _bare(data: Bytes) -> bytes:
    """Return a JPEG of the picture's data alone, with an end marker.

    No metadata: libjpeg warns of odd ones. Scan headers of sequential JPEGs say what they must.
    """
    layout = read_layout(data)
    parts = [(start, end, data[start:end]) for start, end in layout.tables]
    for scan in layout.scans:
        header = data[scan.header : scan.start]
        if not layout.is_progressive and not layout.is_lossless:
            header = header[:-3] + b"\0\x3f\0"
        parts.append((scan.header, scan.end, header + data[scan.start : scan.end]))
    return b"".join([_START, *(part for _, _, part in sorted(parts)), END_MARKER])


def _decode(data: bytes, layout: Layout, strict: bool) -> Pixels:
    """Decode ``data`` to (height, width, channels), scaled.

    Raises:
        ValueError: libjpeg's first warning if ``strict``, or its error.
    """
    colours = {1: "GRAY", 4: "CMYK"}.get(len(layout.factors), "RGB")
    # A lossless JPEG cannot be scaled: simplejpeg would write it in full into a smaller buffer.
    side = 0 if layout.is_lossless else 1
    decoded = simplejpeg.decode_jpeg(
        data, colours, min_height=side, min_width=side, min_factor=1, strict=strict
    )
    return np.asarray(decoded, np.uint8)


def _warning(data: bytes, layout: Layout) -> str:
    """Return the first warning of libjpeg, or "": an error is for the real decoder to report."""
    try:
        _decode(data, layout, strict=True)
    except ValueError as error:
        return str(error) if str(error).startswith(_WARNINGS) else ""
    return ""


def _note_silent(bare: bytes, layout: Layout) -> str | None:
    """Return the note for what libjpeg does not warn of: missing scans, arithmetic data cut off."""
    share = _missing_after(bare, layout) if layout.is_arithmetic else 0.0
    if share:
        return damage.missing("JPEG", share)
    return None if layout.is_complete else damage.LESS_DETAIL


def _note_left_over(bare: bytes, layout: Layout, warning: str, had_end: bool) -> str | None:
    if _is_harmless(warning, bare[: layout.end], had_end):
        return None if layout.is_complete else damage.LESS_DETAIL
    coded = sum(scan.end - scan.start for scan in layout.scans)
    return damage.left_over(_left_over(warning) / coded)


def _is_harmless(warning: str, coded: bytes, had_end: bool) -> bool:
    """Return whether ``warning`` only says that ``coded`` ends in padding.

    Without an end marker, what is left over is something else, which a program appended.
    """
    count = _left_over(warning)
    is_padding = count <= _PADDING_BYTES or len(set(coded[-count:])) == 1
    return count > 0 and (is_padding or not had_end)


def _left_over(warning: str) -> int:
    """Return the number of bytes that were left over after the last block."""
    found = _LEFT_OVER.match(warning)
    return int(found[1]) if found else 0


def _note_damage(bare: bytes, layout: Layout, warning: str) -> str | None:
    means = max(number for number, scan in enumerate(layout.scans, 1) if scan.first_dc)
    if means < len(layout.scans):  # later scans of a progressive JPEG add detail
        bare = bare[: layout.scans[means - 1].end] + END_MARKER
        layout = read_layout(bare)
        warning = _warning(bare, layout)
        if not warning or _left_over(warning):
            return damage.LESS_DETAIL
    if warning != _HIT_MARKER:
        bare = bare[: _first_damage(bare, layout)] + END_MARKER
        layout = read_layout(bare)
        if layout.lacks_component:
            return damage.missing("JPEG", 1.0)
    return damage.missing("JPEG", _missing_after(bare, layout))


def _first_damage(bare: bytes, layout: Layout) -> int:
    """Return up to where the data are sound: cut off there, they only end early."""
    sound, damaged = layout.scans[0].start, layout.end
    for _ in range(_BISECTIONS):
        middle = (sound + damaged) // 2
        cut = bare[:middle] + END_MARKER
        if _warning(cut, read_layout(cut)) in {"", _HIT_MARKER}:
            sound = middle
        else:
            damaged = middle
    return sound


def _missing_after(bare: bytes, layout: Layout) -> float:
    """Return the share of the picture that depends on what comes after the data of its scans.

    Without restart markers all that follows the first such pixel is missing.
    """
    ends = [scan.end for scan in layout.scans]
    if layout.restart_interval:
        ends += [marker.start() for marker in _RESTART_MARKER.finditer(bare, layout.scans[0].start)]
    cuts = [0, *sorted(ends), len(bare)]
    inserted = (bytes(_READ_AHEAD_BYTES) if layout.is_arithmetic else b"") + _OTHER_DATA
    other = inserted.join(bare[start:end] for start, end in pairwise(cuts))
    try:
        first, second = (_decode(each, layout, strict=False) for each in (bare, other))
    except ValueError as error:
        if is_out_of_memory(error):
            raise
        raise BadImage(f"the picture cannot be decoded: {error}") from None
    different: NDArray[np.bool_] = np.any(first != second, axis=2)
    if layout.restart_interval or not different.any():
        return float(np.mean(different))
    height, width = different.shape
    across, down = (max(1, side // _SCALE) for side in layout.mcu_size)
    top = int(different.any(axis=1).argmax()) // down * down
    left = int(different[top : top + down].any(axis=0).argmax()) // across * across
    known: float = top * width + left * min(down, height - top)
    return 1 - known / different.size


def _missing_intervals(bare: bytes, layout: Layout, had_end: bool) -> float | None:
    """Return the share of intervals between restart markers that are missing or damaged.

    Each is decoded as a picture of its own. None: they are too long for that.
    """
    (scan,) = layout.scans
    across, down = (
        -(-size // mcu)
        for size, mcu in zip((layout.width, layout.height), layout.mcu_size, strict=True)
    )
    total, interval = across * down, layout.restart_interval
    count = -(-total // interval)
    damaged = 0
    for number, (start, end) in zip(range(count), _intervals(bare, scan), strict=False):
        size = _size_in_mcus(min(interval, total - number * interval), across, layout)
        if size is None:
            return None
        sized = bytearray(bare[: scan.start])
        at = layout.frame + _HEIGHT_AT
        sized[at : at + 4] = size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big")
        alone = b"".join([sized, bare[start:end], END_MARKER])
        warning = _warning(alone, layout)
        is_last = number == count - 1
        damaged += bool(warning) and not (
            is_last and _is_harmless(warning, bare[start:end], had_end)
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
