"""Read the boxes of an AVIF or HEIC file: what its picture is, and whether its data are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models.errors import BadImage, UnsupportedFormat
from models.images.boxes import (
    FULL_BOX_BYTES,
    Property,
    boxes,
    check_extents,
    contents,
    item_kinds,
    number,
    primary_item,
    properties,
    references,
)
from models.images.structure import Bytes, Facts, checked_size

_CODED = {"AVIF": b"av01", "HEIC": b"hvc1"}
"""The kind of item that holds a coded picture."""
_DERIVED = {b"grid", b"iden"}  # put together of others, or one that is turned
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_GAIN_MAPS = (b"urn:com:apple:photo:2020:aux:hdrgainmap", b"urn:iso:std:iso:ts:21496:-1")
_TONE_MAP = b"tmap"  # the kind of item that applies a gain map (ISO 21496-1)
_MAX_TILES_SHARE = 4
_FREE_TILE_PIXELS = 1 << 22
"""Tiles may cover four times the pixels of their picture, and a small one's four megapixels: those
at the edges are cut off, and each is decoded whole."""


@dataclass(frozen=True)
class Layout:
    """The primary picture of a file.

    ``size``: upright (width, height). ``bits``: of a sample, the most of any item. ``code_points``:
    colour primaries and transfer of its ``nclx`` box (ITU-T H.273); None: it has none.
    """

    size: tuple[int, int]
    bits: int
    has_alpha: bool
    has_gain_map: bool
    profile_bytes: int
    code_points: tuple[int, int] | None


def read_facts(data: Bytes, name: str) -> Facts:
    """Return what an AVIF or HEIC file (``name``) holds; see ``read_layout``."""
    layout = read_layout(data, name)
    depth = 16 if layout.bits > 8 else 8
    return Facts(layout.size, depth, 4 if layout.has_alpha else 3, layout.profile_bytes)


def read_layout(data: Bytes, name: str) -> Layout:
    """Read the boxes of a file (ISO/IEC 23008-12) whose primary item is a picture.

    Its size is that after its own rotation and, of HEIC, its clean aperture; EXIF turns neither
    format. The data of all items must lie in the file. What follows the last box is ignored.

    Raises:
        BadImage: the file ends early, its boxes are broken, or there are too many.
        UnsupportedFormat: its primary item is of another kind.
    """
    try:
        top: dict[bytes, tuple[int, int]] = {}
        for kind, start, end in boxes(data, 0, len(data), strict=False):
            top.setdefault(kind, (start, end))
        if b"meta" not in top and b"moov" in top:
            raise _unsupported(name, "a film without a still picture")
        meta = contents(data, top[b"meta"])
        check_extents(data, *meta[b"iloc"])
        primary = primary_item(data, meta[b"pitm"])
        kinds = item_kinds(data, meta[b"iinf"])
        of_item = properties(data, meta[b"iprp"])
        links = references(data, meta[b"iref"]) if b"iref" in meta else []
        pieces = [to for kind, item, to in links if kind == b"dimg" and item == primary]
        sources = pieces[0] if pieces else []
        _check_kinds(name, kinds[primary], {kinds[each] for each in sources})
        size = _read_size(data, of_item[primary])
        _check_tiles(name, size, [_read_size(data, of_item[each]) for each in sources])
        extra = {
            _auxiliary(data, of_item.get(item, ()))
            for kind, item, to in links
            if kind == b"auxl" and primary in to
        }
        every = [each for item in of_item.values() for each in item]
        own = [*of_item[primary], *(each for item in sources[:1] for each in of_item[item])]
        layout = Layout(
            _turned(data, of_item[primary], size, clean=name == "HEIC"),
            max(_bits(data, each) for each in every),
            bool(extra.intersection(_ALPHA)),
            bool(extra.intersection(_GAIN_MAPS)) or _TONE_MAP in kinds.values(),
            max((_profile_bytes(data, each) for each in every), default=0),
            _code_points(data, own),
        )
    except (ValueError, KeyError, IndexError):
        raise BadImage(
            f"the {name} file is broken or truncated: its boxes, or the data that they name, do "
            "not lie in it; send all of it"
        ) from None
    checked_size(name, layout.size, 1)
    return layout


def _check_kinds(name: str, primary: bytes, sources: set[bytes]) -> None:
    coded = _CODED[name]
    if primary != coded and primary not in _DERIVED:
        raise _unsupported(name, f"a picture of the kind {primary.decode('ascii', 'replace')!a}")
    if sources - {coded}:
        raise _unsupported(name, "tiles that are not coded as its pictures are")


def _unsupported(name: str, what: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"this {name} file has {what}; send one with a single picture, or a PNG or JPEG",
        measured=f"{name}, {what}",
    )


def _read_size(data: Bytes, own: Iterable[Property]) -> tuple[int, int]:
    """Return (width, height) that the ``ispe`` property says: as stored."""
    places = [(start, end) for kind, start, end in own if kind == b"ispe"]
    start, end = places[0]
    return number(data, start + 4, 4, end), number(data, start + 8, 4, end)


def _check_tiles(name: str, size: tuple[int, int], tiles: list[tuple[int, int]]) -> None:
    covered = sum(width * height for width, height in tiles)
    limit = max(_FREE_TILE_PIXELS, _MAX_TILES_SHARE * size[0] * size[1])
    if covered > limit:
        raise BadImage(
            f"the {name} file has tiles of {covered} pixels for a picture of {size[0]} x {size[1]};"
            f" at most {limit} are decoded",
            limit=limit,
            measured=covered,
        )


def _turned(
    data: Bytes, own: Iterable[Property], size: tuple[int, int], *, clean: bool
) -> tuple[int, int]:
    """Return ``size`` after the transformations of an item, in their order."""
    for kind, start, end in own:
        if kind == b"irot" and number(data, start, 1, end) & 1:  # quarter turns
            size = size[1], size[0]
        elif kind == b"clap" and clean:
            across, a, down, b = (number(data, start + 4 * n, 4, end) for n in range(4))
            if not a or not b:
                raise ValueError
            size = min(size[0], across // a), min(size[1], down // b)
    return size


def _bits(data: Bytes, each: Property) -> int:
    """Return the bits a sample that a property says; 8 if it says none."""
    kind, start, end = each
    if kind == b"pixi":
        count = number(data, start + FULL_BOX_BYTES, 1, end)
        return max(data[start + 5 : min(end, start + 5 + count)], default=8)
    if kind == b"av1C":
        flags = number(data, start + 2, 1, end)
        return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    if kind == b"hvcC":
        return 8 + max(number(data, start + at, 1, end) & 7 for at in (17, 18))
    return 8


def _auxiliary(data: Bytes, own: Iterable[Property]) -> bytes:
    """Return what an item says it is beside a picture; empty: it says nothing."""
    for kind, start, end in own:
        if kind == b"auxC":
            said = data[start + FULL_BOX_BYTES : min(end, start + FULL_BOX_BYTES + 100)]
            return bytes(said.partition(b"\0")[0])
    return b""


def _profile_bytes(data: Bytes, each: Property) -> int:
    kind, start, end = each
    has_one = kind == b"colr" and data[start : start + 4] in {b"prof", b"rICC"}
    return end - start - 4 if has_one else 0


def _code_points(data: Bytes, own: Iterable[Property]) -> tuple[int, int] | None:
    for kind, start, end in own:
        if kind == b"colr" and data[start : start + 4] == b"nclx":
            return number(data, start + 4, 2, end), number(data, start + 6, 2, end)
    return None
