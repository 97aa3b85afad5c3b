"""Decode an image file to a Picture; the only module that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from models.errors import BadImage, TooManyPixels
from models.images.exif import Orientation, read_orientation, upright_size
from models.images.inspect import check_pixels
from models.images.metadata import MetadataChoice
from models.operations import Size
from workers.imaging import (
    colour_space,
    decoders,
    deep_samples,
    depth16,
    heif_file,
    icc_profile,
    jpeg_quality,
    losses,
    metadata,
    resolution,
    tiff_metadata,
)
from workers.imaging.out_of_memory import is_out_of_memory
from workers.imaging.picture import Picture, Samples

GRAY_MODES = frozenset({"1", "L", "LA", "La", "I;16"})
_GRAY_KEY_SCALE = {"L;2": 85, "L;4": 17}
_PLAIN_ALPHA = {"La": "LA", "RGBa": "RGBA"}  # of modes whose colours are weighted by alpha
_UPRIGHT: dict[Orientation, Callable[[Samples], Any]] = {
    2: lambda samples: cv2.flip(samples, 1),
    3: lambda samples: cv2.rotate(samples, cv2.ROTATE_180),
    4: lambda samples: cv2.flip(samples, 0),
    5: cv2.transpose,
    6: lambda samples: cv2.rotate(samples, cv2.ROTATE_90_CLOCKWISE),
    7: lambda samples: cv2.rotate(cv2.transpose(samples), cv2.ROTATE_180),
    8: lambda samples: cv2.rotate(samples, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_MIRRORED = frozenset({2, 3, 6, 7})  # upright, the right or lower edge as stored is on the left
_UPSIDE_DOWN = frozenset({3, 4, 7, 8})  # ... is on top
MinimumSize = Callable[[int, int], Size | None]


def decode(
    path: Path,
    max_pixels: int,
    minimum_size: MinimumSize | None = None,
    keep: MetadataChoice = "none",
) -> Picture:
    """Decode the image file at ``path``, of any input format, into grayscale or BGR, upright.

    ``minimum_size`` takes the upright (width, height) and returns the smallest size that suffices,
    or None for all; a decoder that can scale then decodes less. ``Picture.full_size`` is set when
    it did.

    ``keep``: which metadata the picture carries on.

    EXIF orientation is applied, of AVIF and HEIC their own; an animation gives its first frame, a
    TIFF its first page; palettes are expanded; samples of more than 8 bits have 16, all others 8;
    CMYK is converted to sRGB, through its profile if it has one.

    Raises:
        BadImage: the data is corrupt.
        TooManyPixels: more than ``max_pixels``.
    """
    with refusing_damage(path, max_pixels), decoders.open_image(path, max_pixels) as file:
        check_pixels(file.width, file.height, max_pixels, what="the picture", setting="MAX_PIXELS")
        stored = str(file.tile[0].args) if file.tile else ""
        few = file.mode in {"1", "P"} or stored in _GRAY_KEY_SCALE
        full = _draft(file, minimum_size) if minimum_size else None
        deep = _load(file, path)
        # Read after load(): a PNG may carry EXIF and XMP after its pixels.
        exif = metadata.exif_of(file)
        orientation_tag = read_orientation(exif)
        gray = file.mode in GRAY_MODES or stored in depth16.GRAY_MODES
        gray = gray if deep is None else deep.pixels.ndim == 2
        space = colour_space.read(file, path, exif, gray)
        kept = metadata.read(file, keep)
        file_notes = (*losses.read(file, path), *space.notes, *kept.notes)
        printed = resolution.read(file, exif)
        if printed is not None and orientation_tag >= 5:
            printed = printed.turned()
        if deep is None and stored in depth16.RAW_MODES:
            deep = depth16.read(file, stored, path)
        icc = space.icc
        picture = replace(deep, icc=icc) if deep else read_pixels(file, stored, icc)
        del deep
        picture = upright(picture, orientation_tag)  # frees the picture as stored
        heif_file.check_size(file, path, picture.size)
        picture = space.apply(picture)
        box = full and _content_box(picture.size, full, orientation_tag)
        return replace(
            picture,
            full_size=full,
            content_box=box,
            resolution=printed,
            metadata=kept,
            few_colours=few,
            jpeg_quality=None if full else jpeg_quality.read(file),
            notes=file_notes,
        )


@contextmanager
def refusing_damage(path: Path, max_pixels: int, what: str = "the picture") -> Iterator[None]:
    """Turn whatever a decoder raises for the file at ``path`` into an error for users.

    ``what``: cannot be decoded then.
    """
    try:
        yield
    except (BadImage, TooManyPixels, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise decoders.too_many_pixels(path, max_pixels) from None
    except UnidentifiedImageError:
        raise BadImage(
            f"{what} cannot be decoded: its header is broken, or of a kind that is not decoded"
        ) from None
    except Exception as error:  # Pillow's decoders raise many kinds on hostile bytes
        if is_out_of_memory(error):
            raise
        raise BadImage(f"{what} cannot be decoded: {decoders.reason(error)}") from None


def _load(file: ImageFile.ImageFile, path: Path) -> Picture | None:
    """Load ``file``, or return its pixels if they have more bits than Pillow keeps (but of a PNG).

    Its EXIF is in ``file.info`` afterwards.
    """
    stored = tiff_metadata.orientation_of(file)
    deep = deep_samples.read(file, path)
    if deep is None:
        file.load()
    if file.format == "TIFF":
        tiff_metadata.describe(file, stored)
    return deep


def _draft(file: Image.Image, minimum_size: MinimumSize) -> Size | None:
    """Let a JPEG decoder scale down to ``minimum_size``; return the upright full size if it did."""
    if not isinstance(file, JpegImagePlugin.JpegImageFile):
        return None
    orientation_tag = read_orientation(file.info.get("exif"))
    stored, full = file.size, upright_size(file.width, file.height, orientation_tag)
    least = minimum_size(*full)
    if least is None:
        return None
    file.draft(None, upright_size(*least, orientation_tag))  # as stored: the same swap back
    return full if file.size != stored else None


def _content_box(
    size: Size, full: Size, orientation_tag: Orientation
) -> tuple[float, float, float, float]:
    """Return the part of the ``size`` pixels, made by a scaling decoder, that the image covers.

    The decoder rounds sides up: as stored, the surplus lies on the right and below; upright, where
    the orientation moved it.
    """
    times = next(t for t in (2, 4, 8) if tuple(-(-side // t) for side in full) == size)
    width, height = full[0] / times, full[1] / times
    left = size[0] - width if orientation_tag in _MIRRORED else 0.0
    top = size[1] - height if orientation_tag in _UPSIDE_DOWN else 0.0
    return (left, top, left + width, top + height)


def upright(picture: Picture, orientation_tag: Orientation) -> Picture:
    """Return ``picture`` turned as its EXIF orientation says."""
    turn = _UPRIGHT.get(orientation_tag)
    if turn is None:
        return picture
    alpha = None if picture.alpha is None else np.asarray(turn(picture.alpha))
    return replace(picture, pixels=np.asarray(turn(picture.pixels)), alpha=alpha)


def read_pixels(file: Image.Image, stored: str, icc: bytes | None) -> Picture:
    """Return the loaded ``file`` of 8 bits a sample; ``stored``: how its decoder names them."""
    # Pillow scales the samples of 2 or 4 bits of a PNG, but not the transparent gray (tRNS).
    key = file.info.get("transparency")
    if isinstance(key, int) and stored in _GRAY_KEY_SCALE:
        file.info["transparency"] = key * _GRAY_KEY_SCALE[stored]
        picture = _to_picture(file, icc)
        file.info["transparency"] = key  # the next frame has the same
        return picture
    return _to_picture(file, icc)


def _to_picture(image: Image.Image, icc: bytes | None) -> Picture:
    if image.mode == "CMYK":
        image, icc = icc_profile.to_srgb(image, icc), None
    if image.mode in _PLAIN_ALPHA:
        image = image.convert(_PLAIN_ALPHA[image.mode])
    if "transparency" in image.info and image.mode in {"1", "L"}:
        image = image.convert("LA")
    elif "transparency" in image.info and image.mode in {"P", "RGB"}:
        image = image.convert("RGBA")
    gray = image.mode in GRAY_MODES
    transparent = image.has_transparency_data
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), np.uint8) if transparent else None
    if gray:
        return Picture(np.array(image.convert("L"), np.uint8), alpha, icc)
    # convert() copies even without a change, which costs more than the decoding.
    rgb = np.asarray(image if image.mode == "RGB" else image.convert("RGB"), np.uint8)
    return Picture(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8), alpha, icc)
