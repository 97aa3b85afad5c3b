"""Put profile, print resolution and metadata of a picture into the file formats of results."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from models.images.exif import PREFIX
from models.operations import Encoding
from workers.imaging import exif_writer, notes
from workers.imaging.exif_block import read_resolution
from workers.imaging.picture import Picture
from workers.imaging.png_chunks import chunk
from workers.imaging.resolution import exif_numbers

_NAMES = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "avif": "AVIF", "gif": "GIF"}
_IN_EXIF = frozenset({"webp", "avif"})  # formats whose only place for a resolution is EXIF
_XMP_KEYWORD = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, no language (PNG, 11.3.3.4)
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC_RESOURCE = b"8BIM\x04\x04\0\0"  # IPTC, without a name
_JFIF_PLACE = slice(13, 18)  # of unit and densities in a file that begins with a JFIF segment
_JFIF_HEAD = b"\xff\xd8\xff\xe0\x00\x10JFIF\0"


@dataclass(frozen=True)
class Embedding:
    """What a result in one format carries beside its pixels. ``notes``: what it cannot.

    ``exif``: a block without prefix; ``jfif``: unit and densities; ``phys``: a chunk's body.
    """

    icc: bytes | None
    exif: bytes
    xmp: bytes
    iptc: bytes
    jfif: tuple[int, int, int] | None
    phys: bytes | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, picture: Picture, encoding: Encoding) -> Embedding:
        """Return what the result of ``picture`` carries in that format."""
        kept, printed, name = picture.metadata, picture.resolution, _NAMES[encoding.format]
        numbers = exif_numbers(printed) if printed else None
        said, exif = [], kept.exif
        if printed and encoding.format in _IN_EXIF:
            if not exif:
                exif = exif_writer.build({})
            if read_resolution(exif) is None:
                said.append(notes.RESOLUTION_LOST.format(printed, name))
            elif not printed.is_default:
                said.append(notes.RESOLUTION_IN_EXIF.format(printed, name))
        exif = exif and exif_writer.updated(exif, (picture.width, picture.height), numbers)
        jfif = printed.jfif() if printed and encoding.format == "jpeg" else None
        phys = printed.phys() if printed and encoding.format == "png" else None
        if printed and encoding.format not in _IN_EXIF and jfif is None and phys is None:
            said.append(notes.RESOLUTION_LOST.format(printed, name))
        iptc = kept.iptc if encoding.format == "jpeg" else b""
        if kept.iptc and not iptc:
            said.append(notes.UNHELD_METADATA.format("IPTC", name))
        if encoding.format == "gif":
            held = {"EXIF": kept.exif, "XMP": kept.xmp}
            said += [notes.UNHELD_METADATA.format(each, name) for each in held if held[each]]
        return cls(picture.icc, exif, kept.xmp, iptc, jfif, phys, tuple(said))

    def png_chunks(self) -> bytes:
        """Return the chunks that follow a PNG's header."""
        chunks = []
        if self.icc:
            chunks.append(chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(self.icc)))
        if self.phys:
            chunks.append(chunk(b"pHYs", self.phys))
        if self.exif:
            chunks.append(chunk(b"eXIf", self.exif))
        if self.xmp:
            chunks.append(chunk(b"iTXt", _XMP_KEYWORD + self.xmp))
        return b"".join(chunks)

    def pillow_options(self) -> dict[str, Any]:
        """Return Pillow's options for a JPEG, WebP or AVIF."""
        options: dict[str, Any] = {"icc_profile": self.icc}
        if self.exif:
            options["exif"] = PREFIX + self.exif
        if self.xmp:
            options["xmp"] = self.xmp
        if self.iptc:
            options["extra"] = _iptc_segment(self.iptc)
        return options

    def with_density(self, jpeg: bytes) -> bytes:
        """Return the file ``jpeg``, as Pillow wrote it, with the densities in its JFIF segment."""
        if self.jfif is None or not jpeg.startswith(_JFIF_HEAD):
            return jpeg
        return b"".join(
            (
                jpeg[: _JFIF_PLACE.start],
                struct.pack(">BHH", *self.jfif),
                memoryview(jpeg)[_JFIF_PLACE.stop :],
            )
        )


def _iptc_segment(iptc: bytes) -> bytes:
    """Return the APP13 segment of Photoshop's image resource for IPTC."""
    body = _PHOTOSHOP + _IPTC_RESOURCE + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
