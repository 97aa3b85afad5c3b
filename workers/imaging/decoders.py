"""Which decoders there are in a process, and the limits that they have of their own.

Ours come first: what is above them is refused from the header. These are for what a header hides.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from PIL import (
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from models.errors import AppError, TooManyPixels
from models.images.inspect import MAX_SIDE, Kind, check_pixels, inspect

FORMATS = ("PNG", "JPEG", "GIF")
"""What Pillow opens; by itself it would try some forty."""

# MPO is a camera's JPEG, and EXIF a small TIFF: Pillow would import these readers at the first
# such picture, and then TIFF could be opened too. WebP is written only.
_IMPORTED = (
    *(GifImagePlugin, JpegImagePlugin, PngImagePlugin),
    *(MpoImagePlugin, TiffImagePlugin, WebPImagePlugin),
)
_TEXT = 16 << 20
"""Bytes of one comment or profile of a PNG, unpacked; the longest profiles have 4 MiB."""
_TEXTS = 64 << 20
"""Bytes of all of them together."""


ImageFile.LOAD_TRUNCATED_IMAGES = False
PngImagePlugin.MAX_TEXT_CHUNK = _TEXT
PngImagePlugin.MAX_TEXT_MEMORY = _TEXTS


def limit(max_pixels: int) -> None:
    """Set what OpenCV reads from the environment when it is imported, and never again."""
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(max_pixels)
    os.environ["OPENCV_IO_MAX_IMAGE_WIDTH"] = str(MAX_SIDE["png"])
    os.environ["OPENCV_IO_MAX_IMAGE_HEIGHT"] = str(MAX_SIDE["png"])
    for reader in ("OPENEXR", "JASPER", "GDAL"):
        os.environ[f"OPENCV_IO_ENABLE_{reader}"] = "0"


@contextmanager
def opened(path: Path, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Open a picture; its pixels are counted again wherever Pillow learns of more.

    Pillow warns of each broken tag: a stranger's file would write thousands of log lines. Of too
    many pixels, up to twice as many, it warns too: that counts.
    """
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as file:
                yield file
    finally:
        Image.MAX_IMAGE_PIXELS = before


def too_many(path: Path, max_pixels: int) -> AppError:
    """Return why the picture at ``path`` is refused, which Pillow found too large."""
    try:
        with path.open("rb") as file:
            found = inspect(file, get_args(Kind))
        check_pixels(
            found.width, found.height, max_pixels, what="the picture", setting="MAX_PIXELS"
        )
    except AppError as error:
        return error
    return TooManyPixels(
        f"the picture holds more pixels than its header says; at most {max_pixels} are allowed "
        "(MAX_PIXELS)",
        setting="MAX_PIXELS",
        limit=max_pixels,
    )


def close() -> None:
    """Take Pillow in this process every reader but those of ``FORMATS``."""
    Image.preinit()  # it would register BMP and PPM later
    for name in set(Image.OPEN) - set(FORMATS):
        del Image.OPEN[name]
        Image.ID.remove(name)
