"""Walk the boxes of an AVIF file that is a result: its size, and whether it is complete."""

from __future__ import annotations

from models.errors import BadImage
from models.images.boxes import boxes, check_extents, contents, number, primary_item, properties
from models.images.structure import Bytes, checked_size

_BRANDS = frozenset({b"avif", b"avis"})
_MAX_BRANDS_BYTES = 1024


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of the primary item of an AVIF file (AV1 Image File Format, HEIF).

    Every box must end within its container, the last one where the file does, and the data of all
    items must lie within the file. A rotation or a mirror of the item counts as broken: no writer
    of results makes one. What is sent is read by ``heif``.

    Raises:
        BadImage: the file ends early or late, or its boxes are broken.
    """
    try:
        top = {kind: (start, end) for kind, start, end in boxes(data, 0, len(data))}
        start, end = top[b"ftyp"]
        if end - start > _MAX_BRANDS_BYTES:
            raise ValueError
        brands = data[start:end]
        if not _BRANDS.intersection(brands[at : at + 4] for at in range(0, len(brands), 4)):
            raise ValueError
        meta = contents(data, top[b"meta"])
        check_extents(data, *meta[b"iloc"])
        own = properties(data, meta[b"iprp"])[primary_item(data, meta[b"pitm"])]
        kinds = {kind: (start, stop) for kind, start, stop in own}
        if kinds.keys() & {b"irot", b"imir"}:
            raise ValueError
        start, stop = kinds[b"ispe"]
        size = number(data, start + 4, 4, stop), number(data, start + 8, 4, stop)
    except (ValueError, KeyError, IndexError):
        raise BadImage(
            "the AVIF file is broken or truncated: its boxes do not end where it does"
        ) from None
    return checked_size("AVIF", size, 1)
