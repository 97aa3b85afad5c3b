"""Walk the segments of a JPEG file: its size, its scans, and where its data end."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from models.errors import BadImage, UnsupportedFormat
from models.images.exif import Orientation, read_orientation, upright_size
from models.images.structure import MAX_BLOCKS, Bytes, checked_size, search

END_MARKER = b"\xff\xd9"

_MAX_SCANS = 200
"""Each scan costs a decoder a pass over all blocks, however little data it holds."""

_MAX_TABLES = 4000
"""A progressive JPEG has some tables for each of its scans."""
_SOF_BYTES = 8  # of a frame header without components: length, precision, height, width, count
_COMPONENT_BYTES = 3  # in a frame header: id, sampling factors, quantization table
_SOS_BYTES = 6  # of a scan header without components: length, count, band, bits
_BLOCK_SIDE = 8
_COEFFICIENTS = 64  # of a block
_MIN_BLOCK_BITS = {0xC0: 2, 0xC1: 2, 0xC2: 1, 0xC3: 1}
"""Minimum bits of a block by the kind of frame: one for each Huffman code that it must have, of its
DC coefficient and, if sequential, of its end. Arithmetic coding needs none: a flat picture of any
size takes a few bytes."""
# In entropy-coded data FF is followed by 00 or a restart marker; anything else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# Any number of FF may precede a marker. The pattern matches only the last: one that matches them
# all would start again at each, which takes hours for a megabyte of them.
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_SOF_MARKERS = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}  # they carry the size
_SOS, _EOI, _APP1, _DRI, _TEM = 0xDA, 0xD9, 0xE1, 0xDD, 0x01
_TABLES = {0xC4, 0xCC, 0xDB, _DRI}  # of Huffman and arithmetic codes, of quantization; restarts
_LOSSLESS, _PROGRESSIVE, _ARITHMETIC = 0xC3, {0xC2, 0xCA}, {0xC9, 0xCA}
_DECODED_FRAMES = {0xC0, 0xC1, _LOSSLESS} | _PROGRESSIVE | _ARITHMETIC
_OTHER_FRAMES = {0xCB: "a lossless arithmetic-coded JPEG", 0xF7: "a JPEG-LS file"}
_DECODED_PRECISION = 8
_DECODED_COMPONENTS = (1, 3, 4)  # gray, colour, CMYK
_EXIF_PREFIX = b"Exif\0\0"


@dataclass(frozen=True)
class Scan:
    """A scan of entropy-coded data, ``data[start:end]``; ``header``: where its marker begins.

    ``first_dc``: whether it carries the mean of each block of its components for the first time;
    without it, a part of the picture is missing. Later scans of a progressive JPEG add detail.
    """

    header: int
    start: int
    end: int
    first_dc: bool


@dataclass
class Layout:
    """What the segments of a JPEG say; positions are offsets into the file.

    ``width`` and ``height`` as stored; ``frame``: position of the frame header's length, and
    ``kind`` the second byte of its marker; ``factors``: the horizontal and vertical sampling
    factors of each component. ``restart_interval``: MCUs, 0 for none. ``tables``: (start, end) of
    the frame header and of the segments that scans refer to, without scan headers. ``end``: where
    the end marker is or belongs; what follows is not the picture's.
    """

    width: int = 0
    height: int = 0
    orientation: Orientation | None = None
    kind: int = 0
    frame: int = 0
    factors: list[tuple[int, int]] = field(default_factory=list)
    restart_interval: int = 0
    tables: list[tuple[int, int]] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    end: int = 0
    has_end_marker: bool = False
    # The lowest bit sent of each coefficient of each component; -1: none.
    _bits: dict[int, list[int]] = field(default_factory=dict)

    @property
    def is_lossless(self) -> bool:
        return self.kind == _LOSSLESS

    @property
    def is_progressive(self) -> bool:
        return self.kind in _PROGRESSIVE

    @property
    def is_arithmetic(self) -> bool:
        return self.kind in _ARITHMETIC

    @property
    def is_complete(self) -> bool:
        """Whether the scans carry each coefficient of each component to its last bit."""
        return bool(self._bits) and all(not any(bits) for bits in self._bits.values())

    @property
    def lacks_component(self) -> bool:
        """Whether a component has no scan with the means of its blocks."""
        return any(bits[0] < 0 for bits in self._bits.values())

    @property
    def mcu_size(self) -> tuple[int, int]:
        """(width, height) in pixels of what one MCU of a scan of all components covers."""
        if len(self.factors) == 1:
            return _BLOCK_SIDE, _BLOCK_SIDE
        across, down = (max([1, *each]) for each in zip(*self.factors, (1, 1), strict=True))
        return _BLOCK_SIDE * across, _BLOCK_SIDE * down

    def read_segment(self, marker: int, at: int, segment: bytes) -> None:
        """Take the segment whose marker is at ``at``; ``segment``: its length and content.

        Raises:
            BadImage: there were too many tables.
            UnsupportedFormat: it begins a frame that no decoder here reads.
        """
        is_frame = marker in _SOF_MARKERS and not self.frame and len(segment) >= _SOF_BYTES
        if is_frame or marker in _TABLES:
            if len(self.tables) == _MAX_TABLES:
                raise BadImage(
                    f"the JPEG file has more than {_MAX_TABLES} tables", limit=_MAX_TABLES
                )
            self.tables.append((at, at + 2 + len(segment)))
        if is_frame:
            self.frame = at + 2
            self._read_frame(marker, segment)
        # Decoders read EXIF only before the first scan, and of several blocks only the first.
        if marker == _APP1 and not self.scans and self.orientation is None:
            found = segment[2:].startswith(_EXIF_PREFIX)
            self.orientation = read_orientation(segment[2:]) if found else None
        if marker == _DRI:
            self.restart_interval = int.from_bytes(segment[2:4], "big")

    def _read_frame(self, marker: int, header: bytes) -> None:
        precision, self.height, self.width, count = struct.unpack_from(">BHHB", header, 2)
        self.kind = marker
        if marker not in _DECODED_FRAMES:
            raise _unsupported(_OTHER_FRAMES.get(marker, "a hierarchical JPEG"))
        if precision != _DECODED_PRECISION:
            raise _unsupported(f"a JPEG of {precision} bits a sample")
        if not self.height:
            raise _unsupported("a JPEG that gives its height after its first scan (DNL)")
        for place in range(_SOF_BYTES, len(header) - 2, _COMPONENT_BYTES):
            self.factors.append((header[place + 1] >> 4, header[place + 1] & 15))
            self._bits[header[place]] = [-1] * _COEFFICIENTS
        if self.factors and count not in _DECODED_COMPONENTS:
            raise _unsupported(f"a JPEG of {count} components")

    def read_scan(self, header: bytes) -> bool | None:
        """Take a scan header; return ``Scan.first_dc``, or None if it cannot be one of the frame's.

        Raises:
            BadImage: there were too many.
        """
        count = header[2] if len(header) > _SOS_BYTES else 0
        components = header[3 : 3 + 2 * count : 2]
        if len(header) != _SOS_BYTES + 2 * count or not set(components) <= self._bits.keys():
            return None
        if len(self.scans) == _MAX_SCANS:
            raise BadImage(
                f"the JPEG file has more than {_MAX_SCANS} scans; a progressive one has about ten",
                limit=_MAX_SCANS,
            )
        first, last, bits = header[-3], header[-2], header[-1]
        if not self.is_progressive:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        first_dc = first == 0 and any(self._bits[each][0] < 0 for each in components)
        for each in components:
            for coefficient in range(first, min(last, _COEFFICIENTS - 1) + 1):
                self._bits[each][coefficient] = bits & 15
        return first_dc


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a JPEG file after its EXIF orientation; see ``read_layout``."""
    layout = read_layout(data)
    size = upright_size(layout.width, layout.height, layout.orientation or 1)
    coded = sum(scan.end - scan.start for scan in layout.scans)
    return checked_size("JPEG", size, len(layout.scans), coded, _least_bytes(layout))


def read_layout(data: Bytes) -> Layout:
    """Walk a JPEG file (ITU-T T.81, annex B) to the end of its picture.

    That is its end marker; or, where it is missing, what follows the last scan: the end of the
    file, or bytes of something else. Whether the scans hold all of their data only a decoder can
    tell (``workers.imaging.jpeg_damage``). Stray bytes between segments are skipped, as decoders
    do, and frames after the first.

    Raises:
        BadImage: the file has no scan, or too many segments or scans.
        UnsupportedFormat: a kind of JPEG that is not decoded.
    """
    at, layout, cut = 2, Layout(), False
    for _ in range(MAX_BLOCKS):
        match = search(_MARKER, data, at)
        if match is None:
            cut = True
            break
        header, at, marker = match.start(), match.end(), data[match.end() - 1]
        layout.has_end_marker = marker == _EOI
        if layout.has_end_marker or layout.is_complete:
            layout.end = header
            break
        if marker == _TEM or 0xD0 <= marker <= 0xD8:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at : at + max(2, length)]
        cut = len(segment) < max(2, length)
        if cut:
            break
        layout.read_segment(marker, header, segment)
        at += len(segment)
        if marker == _SOS:
            first_dc = layout.read_scan(segment)
            if first_dc is None:
                break
            match = search(_SCAN_END, data, at)
            end = len(data) if match is None else match.start()
            layout.scans.append(Scan(header, at, end, first_dc))
            layout.end = at = end
    else:
        raise BadImage(f"the JPEG file has more than {MAX_BLOCKS} segments", limit=MAX_BLOCKS)
    if cut and not layout.scans:
        raise BadImage("the JPEG file is truncated: it ends before its picture; send all of it")
    return layout


def _unsupported(what: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"this is {what}; send a JPEG of {_DECODED_PRECISION} bits a sample, gray, RGB or CMYK, or "
        "a PNG",
        measured=what.removeprefix("a "),
    )


def _least_bytes(layout: Layout) -> int:
    """Return how many bytes the scans of a frame take at least."""
    across = _BLOCK_SIDE * max((x for x, _ in layout.factors), default=0)
    down = _BLOCK_SIDE * max((y for _, y in layout.factors), default=0)
    if not across or not down:
        return 0  # decoders refuse it
    blocks = sum(
        -(-layout.width * x // across) * -(-layout.height * y // down) for x, y in layout.factors
    )
    return -(-blocks * _MIN_BLOCK_BITS.get(layout.kind, 0) // 8)
