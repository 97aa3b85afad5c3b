"""Restrict the decoders of this process: formats, pixels, bytes of text.

Our own limits come first: they refuse an image by its header. These here are for data that the
header does not show.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
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
from models.images.inspect import MAX_SIDE_PIXELS, InputFormat, check_pixels, inspect, sniff
from models.images.signatures import SNIFFED_BYTES

try:
    import pi_heif
except ImportError:  # an extra
    pi_heif = None

FORMATS: dict[InputFormat, str] = {
    "png": "PNG",
    "jpeg": "JPEG",
    "gif": "GIF",
    "webp": "WEBP",
    "avif": "AVIF",
    "tiff": "TIFF",
    "bmp": "BMP",
}
"""Formats that Pillow opens, by its names; by default it would try some forty."""
if pi_heif is not None:
    # Only the picture itself is of use, not what is stored beside it.
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    FORMATS["heic"] = "HEIF"

# Imported here: else Pillow would import these readers at the first such picture. MPO is a camera's
# JPEG.
_PLUGINS = (
    *(AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin),
    *(PngImagePlugin, TiffImagePlugin, WebPImagePlugin),
)
_MAX_TEXT_BYTES = 16 << 20
"""One comment or profile of a PNG, unpacked; the longest profiles have 4 MiB."""
_MAX_TOTAL_TEXT_BYTES = 64 << 20
"""All of them together."""


ImageFile.LOAD_TRUNCATED_IMAGES = False
# By libtiff also where nothing is compressed: Pillow 13 itself mixes up separate planes of 16 bits,
# and the sides of a picture that it maps into memory and turns.
TiffImagePlugin.READ_LIBTIFF = True
PngImagePlugin.MAX_TEXT_CHUNK = _MAX_TEXT_BYTES
PngImagePlugin.MAX_TEXT_MEMORY = _MAX_TOTAL_TEXT_BYTES

_PASSED_OVER: dict[str, tuple[type[Exception], ...]] = {
    **dict.fromkeys(("gAMA", "cHRM", "sRGB", "pHYs", "tRNS"), (ValueError,)),
    **dict.fromkeys(("acTL", "fcTL", "iCCP"), (ValueError, SyntaxError, IndexError)),
    "zTXt": (SyntaxError,),  # not ValueError: that says too much text
}
"""Chunks that Pillow refuses a PNG for if they are malformed, and with which errors; libpng and
browsers ignore such a chunk."""


def _pass_over(kind: str, errors: tuple[type[Exception], ...]) -> None:
    """Make Pillow ignore chunks of ``kind`` that it reads with ``errors``."""
    read: Callable[[PngImagePlugin.PngStream, int, int], bytes]
    read = getattr(PngImagePlugin.PngStream, f"chunk_{kind}")

    def read_or_ignore(stream: PngImagePlugin.PngStream, pos: int, length: int) -> bytes:
        assert stream.fp is not None
        start = stream.fp.tell()
        try:
            return read(stream, pos, length)
        except errors:
            if kind == "iCCP":
                stream.im_info["icc_profile"] = None  # as Pillow says of a broken one: a note
            stream.fp.seek(start)
            return stream.fp.read(length)

    setattr(PngImagePlugin.PngStream, f"chunk_{kind}", read_or_ignore)


for _kind, _errors in _PASSED_OVER.items():
    _pass_over(_kind, _errors)


def configure_opencv(max_pixels: int) -> None:
    """Set the environment variables that OpenCV reads once, when it is imported."""
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(max_pixels)
    os.environ["OPENCV_IO_MAX_IMAGE_WIDTH"] = str(MAX_SIDE_PIXELS["png"])
    os.environ["OPENCV_IO_MAX_IMAGE_HEIGHT"] = str(MAX_SIDE_PIXELS["png"])
    os.environ["OPENCV_LOG_LEVEL"] = "ERROR"  # it warns of TIFFs that leave out a tag, as many do
    for reader in ("OPENEXR", "JASPER", "GDAL"):
        os.environ[f"OPENCV_IO_ENABLE_{reader}"] = "0"


@contextmanager
def open_image(path: Path | BinaryIO, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Open an image with the reader of the format that its first bytes say.

    Pillow checks its pixel count again wherever it learns of more. It warns about each broken tag,
    so a hostile file could write thousands of log lines. It also only warns about up to twice as
    many pixels as allowed: that counts as an error.
    """
    kind = sniff(_start_of(path), tuple(FORMATS))
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=[FORMATS[kind]]) as file:
                yield file
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _start_of(path: Path | BinaryIO) -> bytes:
    if isinstance(path, Path):
        with path.open("rb") as file:
            return file.read(SNIFFED_BYTES)
    start = path.read(SNIFFED_BYTES)
    path.seek(0)
    return start


def use_threads(count: int) -> None:
    """Let decoders that work in parallel use ``count`` threads; by default one for each core."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = count
    if pi_heif is not None:
        pi_heif.options.DECODE_THREADS = count


def heic_samples(path: Path) -> NDArray[np.uint16]:
    """Return the samples of a HEIC of more than 8 bits as stored, RGB or RGBA order, upright."""
    opened = pi_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    return np.array(opened, np.uint16)


def too_many_pixels(path: Path, max_pixels: int) -> AppError:
    """Return the error for the image at ``path``, which Pillow found too large."""
    try:
        with path.open("rb") as file:
            header = inspect(file, get_args(InputFormat))
        check_pixels(
            header.width, header.height, max_pixels, what="the picture", setting="MAX_PIXELS"
        )
    except AppError as error:
        return error
    return TooManyPixels(
        f"the picture has more pixels than its header says; at most {max_pixels} are allowed "
        "(MAX_PIXELS)",
        setting="MAX_PIXELS",
        limit=max_pixels,
    )


def reason(error: Exception) -> str:
    """Return what ``error`` of a decoder says, for users: some say nothing, or name Pillow's own
    settings.
    """
    if "MAX_TEXT" in str(error):
        return (
            f"its comments unpack to more than {_MAX_TOTAL_TEXT_BYTES >> 20} MiB, or one of them "
            f"to more than {_MAX_TEXT_BYTES >> 20} MiB; remove them"
        )
    return str(error) or "its data are broken"


def unregister_other_formats() -> None:
    """Remove all readers but those of ``FORMATS`` from Pillow in this process."""
    Image.preinit()  # it would register PPM later
    for name in set(Image.OPEN) - set(FORMATS.values()):
        del Image.OPEN[name]
        Image.ID.remove(name)
