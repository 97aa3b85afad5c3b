"""What the boxes of an AVIF or HEIC file say that its decoder does not."""

from __future__ import annotations

import mmap
from pathlib import Path

from PIL import Image

from models.errors import BadImage
from models.images.heif import Layout, read_layout

_NAMES = {"AVIF": "AVIF", "HEIF": "HEIC"}
"""Their names by those of Pillow."""
_ALL_RGB = bytes((0, 1))  # matrix and range: the decoder has made RGB of the full range


def layout_of(file: Image.Image, path: Path) -> Layout | None:
    """Return the layout of ``file``, the image at ``path``; None: it is of another format."""
    name = _NAMES.get(str(file.format))
    if name is None:
        return None
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_layout(data, name)


def code_points(layout: Layout) -> bytes | None:
    """Return its colours as the cICP chunk of a PNG would say them; None: it names none."""
    if layout.code_points is None:
        return None
    return bytes(min(each, 255) for each in layout.code_points) + _ALL_RGB


def check_size(file: Image.Image, path: Path, size: tuple[int, int]) -> None:
    """Return if the (width, height) of the decoded picture is what the boxes say.

    That of a film in the file may be another one, and limits were checked by the boxes.

    Raises:
        BadImage: it is not.
    """
    layout = layout_of(file, path)
    if layout is not None and layout.size != size:
        said, found = (f"{width} x {height}" for width, height in (layout.size, size))
        raise BadImage(f"the picture has {found} pixels, and its boxes say {said}")
