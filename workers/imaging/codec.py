"""From a file to a Picture and back: the only room that decodes and encodes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from models.errors import BadImage, TooManyPixels
from models.images.encoder_settings import DEFAULT, Writing
from models.images.exif import Orientation, orientation, upright
from models.images.inspect import check_pixels
from models.operations import Encoding, Size
from workers.child import task_limits
from workers.imaging import decoders, depth16, gamma, icc_profile, notes, png16
from workers.imaging.picture import Picture, Pixels

_WEBP_METHOD = 4  # 6 takes twice as long for files 3 % smaller, 2 half as long for 4 % larger
_RUNS = [
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
]
"""Of photographs as small as level 6 makes them, in less time than zlib's own level 1 takes."""
_WHITE = 255
_BAND = 128  # rows
_KEY_SCALE = {"L;2": 85, "L;4": 17}
_TURNS: dict[Orientation, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MIRRORED = frozenset({2, 3, 6, 7})  # upright, the right or lower edge as stored is on the left
_UPSIDE_DOWN = frozenset({3, 4, 7, 8})  # ... is on top

Enough = Callable[[int, int], Size | None]


def decode(path: Path, max_pixels: int, enough: Enough | None = None) -> Picture:
    """Decode the PNG, JPEG or GIF file at ``path`` into grayscale or BGR, upright.

    ``enough`` takes the upright (width, height) and returns the least size that will do, if less
    does; a decoder that can scale then need not decode more. ``Picture.full`` tells when it did.

    EXIF orientation is applied; of an animation the first frame counts; palettes are expanded;
    16-bit samples stay so, all others have 8; CMYK is converted to sRGB through its profile where
    it has one.

    Raises:
        BadImage: the data is corrupt.
        TooManyPixels: more than ``max_pixels``.
    """
    try:
        with decoders.opened(path, max_pixels) as file:
            check_pixels(
                file.width, file.height, max_pixels, what="the picture", setting="MAX_PIXELS"
            )
            stored = str(file.tile[0].args) if file.tile else ""
            full = _scaled(file, enough) if enough else None
            file.load()
            # A PNG may say it behind its pixels, so it is asked now.
            turned = orientation(file.info.get("exif"))
            said = notes.of_file(file)
            icc = icc_profile.sound(file.info.get("icc_profile"))
            if stored in depth16.KINDS:
                picture = replace(depth16.read(file, stored, path, turned), icc=icc)
            else:
                _scale_key(file, stored)
                turn = _TURNS.get(turned)
                picture = _picture(file if turn is None else file.transpose(turn), icc)
            power = gamma.exponent(file.info)
            if power is not None:
                said = (*said, notes.GAMMA)
                picture = replace(picture, pixels=gamma.applied(picture.pixels, power))
            box = full and _box(picture.size, full, turned)
            return replace(picture, full=full, box=box, notes=said)
    except (TooManyPixels, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise decoders.too_many(path, max_pixels) from None
    except UnidentifiedImageError:
        raise BadImage("the picture cannot be decoded: its header is broken") from None
    except Exception as error:  # Pillow's decoders raise many kinds on hostile bytes
        if task_limits.is_shortage(error):
            raise
        raise BadImage(f"the picture cannot be decoded: {error}") from None


def _scaled(file: Image.Image, enough: Enough) -> Size | None:
    """Let a JPEG decoder scale down as far as ``enough`` allows; return the upright full size."""
    if not isinstance(file, JpegImagePlugin.JpegImageFile):
        return None
    turned = orientation(file.info.get("exif"))
    stored, full = file.size, upright(file.width, file.height, turned)
    least = enough(*full)
    if least is None:
        return None
    file.draft(None, upright(*least, turned))  # as stored: turning a size back is the same swap
    return full if file.size != stored else None


def _box(size: Size, full: Size, turned: Orientation) -> tuple[float, float, float, float]:
    """Return what the whole picture takes of the ``size`` pixels that a scaling decoder made.

    As stored, what it rounded up lies on the right and below; upright, where that was turned to.
    """
    times = next(t for t in (2, 4, 8) if tuple(-(-side // t) for side in full) == size)
    width, height = full[0] / times, full[1] / times
    left = size[0] - width if turned in _MIRRORED else 0.0
    top = size[1] - height if turned in _UPSIDE_DOWN else 0.0
    return (left, top, left + width, top + height)


def _scale_key(file: Image.Image, stored: str) -> None:
    """Scale the transparent gray (tRNS) of a 2- or 4-bit PNG as Pillow scales its samples."""
    key = file.info.get("transparency")
    if isinstance(key, int) and stored in _KEY_SCALE:
        file.info["transparency"] = key * _KEY_SCALE[stored]


def _picture(image: Image.Image, icc: bytes | None) -> Picture:
    if image.mode == "CMYK":
        image, icc = icc_profile.to_srgb(image, icc), None
    if "transparency" in image.info and image.mode in {"1", "L"}:
        image = image.convert("LA")
    elif "transparency" in image.info and image.mode in {"P", "RGB"}:
        image = image.convert("RGBA")
    gray = image.mode in {"1", "L", "LA", "La"}
    transparent = image.has_transparency_data
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), np.uint8) if transparent else None
    if gray:
        return Picture(np.array(image.convert("L"), np.uint8), alpha, icc)
    # convert() copies also where there is nothing to do, which costs more than the decoding.
    rgb = np.asarray(image if image.mode == "RGB" else image.convert("RGB"), np.uint8)
    return Picture(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8), alpha, icc)


def encode(picture: Picture, encoding: Encoding, writing: Writing = DEFAULT) -> bytes:
    """Encode ``picture``; in JPEG, which has no alpha, it is laid on white.

    16 bits are kept in PNG only. ``writing`` says what ``encoding`` leaves open.

    Raises:
        BadImage: the encoder refuses it.
    """
    if encoding.format != "png":
        picture = depth16.reduced(picture, notes.FOR_FORMAT)
    if encoding.format == "jpeg":
        return _by_pillow(
            Image.fromarray(_rgb(_flattened(picture))),
            "JPEG",
            picture.icc,
            quality=encoding.quality or writing.jpeg_quality,
            subsampling=writing.jpeg_subsampling,
        )
    if encoding.format == "webp":
        return _webp(picture, encoding.quality or writing.webp_quality)
    return _png(picture, writing.png_level)


def _png(picture: Picture, level: int) -> bytes:
    if picture.alpha is not None and picture.pixels.ndim == 2:  # OpenCV writes no gray with alpha
        if picture.deep:
            return _wide(picture, level)
        bands = [Image.fromarray(picture.pixels), Image.fromarray(picture.alpha)]
        return _by_pillow(Image.merge("LA", bands), "PNG", picture.icc, compress_level=level)
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    flags = png_flags(level)
    try:
        if picture.icc is None:
            ok, data = cv2.imencode(".png", pixels, flags)
        else:
            profile = np.frombuffer(picture.icc, np.uint8)
            ok, data = cv2.imencodeWithMetadata(
                ".png", pixels, [cv2.IMAGE_METADATA_ICCP], [profile], flags
            )
    except cv2.error:
        ok = False
    if ok:
        return bytes(data)
    # libpng refuses profiles that are padded or oddly long, though colour engines read them.
    if picture.deep:
        return _wide(picture, level)
    code = cv2.COLOR_BGRA2RGBA if picture.alpha is not None else cv2.COLOR_BGR2RGB
    ordered = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, code), pixels.dtype)
    return _by_pillow(Image.fromarray(ordered), "PNG", picture.icc, compress_level=level)


def _wide(picture: Picture, level: int) -> bytes:
    buffer = io.BytesIO()
    png16.write(buffer, picture.pixels, picture.alpha, picture.icc, level)
    return buffer.getvalue()


def png_flags(level: int) -> list[int]:
    """Return what OpenCV is told of a PNG at PNG_LEVEL ``level``."""
    return [cv2.IMWRITE_PNG_COMPRESSION, level, *(_RUNS if level == 1 else ())]


def _webp(picture: Picture, quality: int) -> bytes:
    """WebP knows no gray: gray pixels go to sRGB through their profile, which would not fit."""
    image, icc = Image.fromarray(_rgb(depth16.eight(picture.pixels))), picture.icc
    if picture.pixels.ndim == 2:
        image, icc = icc_profile.to_srgb(image, icc), None
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return _by_pillow(image, "WEBP", icc, quality=quality, method=_WEBP_METHOD)


def _rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(pixels[:, :, ::-1], np.uint8)


def _by_pillow(image: Image.Image, kind: str, icc: bytes | None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, icc_profile=icc, **options)
    except (OSError, ValueError) as error:
        raise BadImage(
            f"{image.width} x {image.height} pixels cannot be written: {error}"
        ) from None
    return buffer.getvalue()


def _flattened(picture: Picture) -> Pixels:
    """Return 8-bit pixels laid on white."""
    pixels = depth16.eight(picture.pixels)
    if picture.alpha is None:
        return pixels
    flat = np.empty_like(pixels)
    # In bands of rows: what is computed on the way takes several times what a picture does.
    for top in range(0, picture.height, _BAND):
        rows = slice(top, top + _BAND)
        share = picture.alpha[rows].astype(np.uint16)
        if pixels.ndim == 3:
            share = share[:, :, None]
        mixed = pixels[rows] * share + _WHITE * (255 - share) + 127
        flat[rows] = mixed // 255
    return flat
