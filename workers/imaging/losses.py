"""What a file holds beside the picture that is processed: each part is a note.

Nothing of it is decoded, and nothing here raises on a hostile file.
"""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image, JpegImagePlugin, MpoImagePlugin

from models.images.jpeg import Layout
from models.images.structure import Bytes, search
from workers.imaging import deep_samples, exif_block, heif_file, metadata, notes, xmp

_FIRST_OF = {"TIFF": notes.FIRST_PAGE, "HEIF": notes.MAIN_PICTURE}
"""By Pillow's name of a format that has no frames."""
_GAIN_MAP_MARK = b"urn:iso:std:iso:ts:21496:-1\0"  # of ISO 21496-1, in an APP2 segment
# Of an MP4 or MOV file (ISO/IEC 14496-12), and of Samsung's trailer, which may come without XMP.
_VIDEO_MARK = re.compile(
    rb"ftyp(?:iso[m2-9]|mp4[12]|mmp4|avc1|MSNV|M4V |qt  |3gp[4-7])|MotionPhoto_Data"
)
_VIDEO_MARK_BYTES = 16
_JFIF_MARK, _JFIF_EXTENSION_MARK = b"JFIF\0", b"JFXX\0"
_JFIF_THUMBNAIL = slice(12, 14)  # its width and height, behind version, unit and densities
_PHOTOSHOP_THUMBNAILS = (0x0409, 0x040C)  # numbers of image resources


def read(file: Image.Image, path: Path) -> tuple[str, ...]:
    """Return the notes for the parts of ``file``, the loaded image at ``path``."""
    found = []
    layout = heif_file.layout_of(file, path)
    if layout is not None and layout.has_gain_map:
        found.append(notes.GAIN_MAP)
    if deep_samples.is_reduced(file, path):
        found.append(notes.REDUCED_PLANES)
    if _has_more(file):
        found.append(_FIRST_OF.get(str(file.format), notes.FIRST_FRAME))
    if file.mode == "CMYK":
        found.append(notes.FROM_CMYK)
    if isinstance(file, JpegImagePlugin.JpegImageFile):
        found += _of_jpeg(file)
    elif exif_block.has_thumbnail(metadata.exif_of(file)):
        found.append(notes.EMBEDDED_PREVIEW)
    return tuple(found)


def has_video(data: Bytes, layout: Layout) -> bool:
    """Return whether a video follows the picture of the JPEG ``data``.

    Without an end marker, what follows looks like more of the picture's data.
    """
    end = layout.end if layout.has_end_marker or not layout.scans else layout.scans[-1].start
    return search(_VIDEO_MARK, data, end, _VIDEO_MARK_BYTES) is not None


def _has_more(file: Image.Image) -> bool:
    """Return whether other frames, pages or pictures follow; those of a JPEG are told apart."""
    if file.format in {"JPEG", "MPO"}:
        return False
    try:
        return bool(getattr(file, "is_animated", False))  # of a GIF, reads the next frame's head
    except Exception:  # something follows that cannot be read
        return True


def _of_jpeg(file: JpegImagePlugin.JpegImageFile) -> list[str]:
    packet = file.info.get("xmp")
    gain_map, video = xmp.says_part(packet if isinstance(packet, bytes) else b"")
    bodies = [body for _, body in file.applist]
    gain_map = gain_map or any(body.startswith(_GAIN_MAP_MARK) for body in bodies)
    found = [notes.GAIN_MAP] if gain_map else []
    # A gain map is a second picture, too.
    if isinstance(file, MpoImagePlugin.MpoImageFile) and not gain_map:
        found.append(notes.FURTHER_PICTURES.format(file.n_frames))
    if video:
        found.append(notes.VIDEO)
    if _has_preview(file, bodies):
        found.append(notes.EMBEDDED_PREVIEW)
    return found


def _has_preview(file: JpegImagePlugin.JpegImageFile, bodies: list[bytes]) -> bool:
    resources = file.info.get("photoshop")
    return (
        exif_block.has_thumbnail(metadata.exif_of(file))
        or any(body.startswith(_JFIF_EXTENSION_MARK) for body in bodies)
        or any(b.startswith(_JFIF_MARK) and any(b[_JFIF_THUMBNAIL]) for b in bodies)
        or (isinstance(resources, dict) and any(n in resources for n in _PHOTOSHOP_THUMBNAILS))
    )
