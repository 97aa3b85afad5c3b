"""Decode a JPEG with libjpeg for the sake of its warnings.

Decoders fill what is missing with gray and go on; Pillow and OpenCV swallow that libjpeg warned.
simplejpeg raises its first warning. Only an eighth of each side is decoded, since the codes are
what matters; and what is no part of the picture's data is left out before, so that no harmless
warning comes first.
"""

from __future__ import annotations

import io
import re

import numpy as np
import simplejpeg

from models.images.jpeg import END_MARKER, Layout, read_layout
from models.images.structure import Bytes
from workers.imaging import decoders
from workers.imaging.picture import Pixels

SCALE = 8
"""Of a side: a decoded pixel is the mean of a block."""
HIT_MARKER = "Corrupt JPEG data: premature end of data segment"
_PADDING_BYTES = 4
"""Encoders fill the last word; libjpeg does not count what it has read ahead, up to 8 bytes."""
_START = b"\xff\xd8"
_LATEST_RESTART = 65_535
_LATE_RESTART = b"\xff\xdd\0\4\xff\xff"
"""A restart interval that no scan reaches. With one, libjpeg-turbo decodes each Huffman code with
care; else it takes a code that does not exist for 0, without a warning."""
_LEFT_OVER = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker")
_BEFORE_RESTART = re.compile(r".* 0xd[0-7]$")
_WARNINGS = ("Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression sequence")


def bare(data: Bytes) -> bytes:
    """Return a JPEG of the picture's data alone, with an end marker.

    No metadata: libjpeg warns of odd ones. Scan headers of sequential JPEGs say what they must.
    """
    layout = read_layout(data)
    parts = [(start, end, data[start:end]) for start, end in layout.tables]
    for scan in layout.scans:
        header = data[scan.header : scan.start]
        if not layout.is_progressive and not layout.is_lossless:
            header = header[:-3] + b"\0\x3f\0"
        coded = data[scan.start : scan.end].rstrip(b"\xff")  # fill bytes of the next marker
        parts.append((scan.header, scan.end, header + coded))
    checked = [] if has_restarts(layout) or not _can_restart(layout) else [_LATE_RESTART]
    return b"".join([_START, *checked, *(part for _, _, part in sorted(parts)), END_MARKER])


def mcus(layout: Layout) -> tuple[int, int]:
    """Return the columns and rows of MCUs in a scan of all components."""
    sides = zip((layout.width, layout.height), layout.mcu_size, strict=True)
    across, down = (-(-side // mcu) for side, mcu in sides)
    return across, down


def has_restarts(layout: Layout) -> bool:
    """Return whether there are restart markers between MCUs."""
    across, down = mcus(layout)
    return 0 < layout.restart_interval < across * down and not layout.is_lossless


def _can_restart(layout: Layout) -> bool:
    """Return whether ``_LATE_RESTART`` comes after the last MCU."""
    across, down = mcus(layout)
    is_huffman = not layout.is_lossless and not layout.is_arithmetic
    return is_huffman and len(layout.scans) == 1 and across * down <= _LATEST_RESTART


def decode(data: bytes, layout: Layout, strict: bool) -> Pixels:
    """Decode ``data`` to (height, width, channels), scaled.

    Raises:
        ValueError: libjpeg's first warning if ``strict`` and if it gives any, or its error.
    """
    if not gives_warnings(data):
        return _decode_with_pillow(data, layout)
    colours = {1: "GRAY", 4: "CMYK"}.get(len(layout.factors), "RGB")
    # A lossless JPEG cannot be scaled: simplejpeg would write it in full into a smaller buffer.
    side = 0 if layout.is_lossless else 1
    decoded = simplejpeg.decode_jpeg(
        data, colours, min_height=side, min_width=side, min_factor=1, strict=strict
    )
    return np.asarray(decoded, np.uint8)


def gives_warnings(data: bytes) -> bool:
    """Return whether simplejpeg knows the sampling factors of the JPEG ``data``."""
    try:
        simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError) as error:  # it has no name for some that libjpeg knows
        return not isinstance(error, KeyError) and "subsampling" not in str(error)
    return True


def _decode_with_pillow(data: bytes, layout: Layout) -> Pixels:
    try:
        with decoders.open_image(io.BytesIO(data), layout.width * layout.height) as file:
            file.draft(None, (1, 1))
            return np.atleast_3d(np.asarray(file, np.uint8))
    except (OSError, SyntaxError) as error:
        raise ValueError(str(error)) from None


def warning(data: bytes, layout: Layout) -> str:
    """Return the first warning of libjpeg, or "": an error is for the real decoder to report."""
    try:
        decode(data, layout, strict=True)
    except ValueError as error:
        return str(error) if str(error).startswith(_WARNINGS) else ""
    return ""


def is_harmless(warning: str, coded: bytes, had_end: bool) -> bool:
    """Return whether ``warning`` only says that ``coded`` ends in padding.

    Without an end marker, what is left over is something else, which a program appended.
    """
    if _BEFORE_RESTART.match(warning):
        return False
    count = left_over(warning)
    is_padding = count <= _PADDING_BYTES or len(set(coded[-count:])) == 1
    return count > 0 and (is_padding or not had_end)


def left_over(warning: str) -> int:
    """Return the number of bytes that were left over after the last block."""
    found = _LEFT_OVER.match(warning)
    return int(found[1]) if found else 0
