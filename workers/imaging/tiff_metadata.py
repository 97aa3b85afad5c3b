"""EXIF, XMP and IPTC of a TIFF: its tags, in the blocks that other formats carry."""

from __future__ import annotations

from typing import Any

from PIL import Image

from models.images.exif import ORIENTATION_TAG
from workers.imaging.exif_block import ARTIST, COPYRIGHT, EXIF_DIRECTORY

_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _DATE, _GPS = 0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x8825
_TEXTS = (_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _DATE, ARTIST, COPYRIGHT)
"""Of the first directory; its other tags say how the pixels are stored."""
_IPTC_TAG, _IPTC_RESOURCE = 33723, 0x0404


def orientation_of(file: Image.Image) -> Any:
    """Return what the tag of a TIFF says, which is not loaded yet: loading turns it upright."""
    return _tag(getattr(file, "tag_v2", {}), ORIENTATION_TAG)


def describe(file: Image.Image, orientation: Any) -> None:
    """Set ``exif`` and ``photoshop`` of ``file.info`` as they are in a JPEG's.

    ``orientation``: as stored; the print resolution is that of the upright picture afterwards. A
    tag that cannot be read is left out: it must not fail the picture.
    """
    tags: Any = getattr(file, "tag_v2", {})
    for name in ("dpi", "resolution") if orientation in {5, 6, 7, 8} else ():
        if name in file.info:
            file.info[name] = file.info[name][::-1]
    file.info["exif"] = _exif(file, tags)
    iptc = _tag(tags, _IPTC_TAG)
    if isinstance(iptc, bytes):
        file.info["photoshop"] = {_IPTC_RESOURCE: iptc}


def _exif(file: Image.Image, tags: Any) -> bytes:
    made = Image.Exif()
    for tag in _TEXTS:
        text = _tag(tags, tag)
        if isinstance(text, str):
            made[tag] = text
    try:
        found = file.getexif()
        for directory in (EXIF_DIRECTORY, _GPS):
            if inner := found.get_ifd(directory):
                made.get_ifd(directory).update(inner)
        return made.tobytes() if made or inner else b""
    except Exception:  # Pillow raises many kinds on hostile tags
        return b""


def _tag(tags: Any, tag: int) -> Any:
    try:
        value = tags.get(tag)
    except Exception:  # as above
        return None
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value
