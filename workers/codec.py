"""From a file to a Picture and back: the only room that decodes and encodes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from models.errors import BadImage, TooManyPixels
from models.image import check_pixels
from models.operations import Encoding, Size
from workers.picture import Picture, Pixels

JPEG_QUALITY = 92  # above it files grow fast and no difference is seen; 4:2:0 would smear red
_WHITE = 255
_KEY_SCALE = {"L;2": 85, "L;4": 17}

# Pixels are held to our own limit, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
# Long comments and profiles are allowed up to here, all text together up to Pillow's own 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024


Enough = Callable[[int, int], Size | None]


def decode(path: Path, max_pixels: int, enough: Enough | None = None) -> Picture:
    """Decode the PNG or JPEG file at ``path`` into 8-bit grayscale or BGR, upright.

    ``enough`` takes the upright (width, height) and returns the least size that will do, if less
    does; a decoder that can scale then need not decode more.

    EXIF orientation is applied; of an animated PNG the first frame counts; palettes are expanded;
    16-bit samples are reduced to 8; CMYK is converted to sRGB through its profile where it has one.

    Raises:
        BadImage: the data is corrupt.
        TooManyPixels: more than ``max_pixels``.
    """
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as file:
            check_pixels(
                file.width, file.height, max_pixels, what="the picture", setting="MAX_PIXELS"
            )
            stored = file.tile[0].args if file.tile else ""
            file.load()
            if stored == "RGB;16B" and "transparency" in file.info:
                return _sixteen_bit_key(path)
            _scale_key(file, str(stored))
            return _picture(_upright(file), _profile(file))
    except (TooManyPixels, MemoryError):
        raise
    except UnidentifiedImageError:
        raise BadImage("the picture cannot be decoded: its header is broken") from None
    except Exception as error:  # Pillow's decoders raise many kinds on hostile bytes
        raise BadImage(f"the picture cannot be decoded: {error}") from None


def _upright(file: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(file)
    except Exception:  # rubbish in the metadata must not cost the picture
        return file


def _profile(file: Image.Image) -> bytes | None:
    """Return the colour profile if it is one; a broken one must not cost the picture."""
    icc: bytes | None = file.info.get("icc_profile")
    if not icc:
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return None
    return icc


def _scale_key(file: Image.Image, stored: str) -> None:
    """Scale the transparent gray (tRNS) of a 2- or 4-bit PNG as Pillow scales its samples."""
    key = file.info.get("transparency")
    if isinstance(key, int) and stored in _KEY_SCALE:
        file.info["transparency"] = key * _KEY_SCALE[stored]


def _sixteen_bit_key(path: Path) -> Picture:
    """Decode a 16-bit RGB PNG with a transparent colour, which Pillow compares after reduction."""
    data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if data is None or data.ndim != 3 or data.shape[2] != 4:
        raise BadImage("the picture cannot be decoded")
    reduced = (data.astype(np.uint16) // 256).astype(np.uint8)
    return Picture(np.ascontiguousarray(reduced[:, :, :3]), np.ascontiguousarray(reduced[:, :, 3]))


def _picture(image: Image.Image, icc: bytes | None) -> Picture:
    if image.mode == "CMYK":
        image, icc = _from_cmyk(image, icc), None
    if image.mode.startswith("I") or image.mode == "F":
        # 16 bits a sample: rounded to 8; Pillow's own convert() would clip instead.
        wide = np.asarray(image).astype(np.uint32)
        key = image.info.get("transparency")
        alpha = None if key is None else np.where(wide == key, 0, 255).astype(np.uint8)
        return Picture(np.asarray((wide * 255 + 32767) // 65535, np.uint8), alpha, icc)
    if "transparency" in image.info and image.mode in {"1", "L"}:
        image = image.convert("LA")
    elif "transparency" in image.info and image.mode in {"P", "RGB"}:
        image = image.convert("RGBA")
    gray = image.mode in {"1", "L", "LA", "La"}
    transparent = image.has_transparency_data
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), np.uint8) if transparent else None
    if gray:
        return Picture(np.array(image.convert("L"), np.uint8), alpha, icc)
    rgb = np.asarray(image.convert("RGB"), np.uint8)
    return Picture(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8), alpha, icc)


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert to sRGB, through the embedded profile if it is one for CMYK, else by formula."""
    if icc is not None:
        try:
            srgb = ImageCms.createProfile("sRGB")
            through = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), srgb, outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            through = None  # a broken profile must not cost the picture
        if through is not None:
            return through
    return image.convert("RGB")


def encode(picture: Picture, encoding: Encoding) -> bytes:
    """Encode ``picture``; in JPEG, which has no alpha, it is laid on white.

    Raises:
        BadImage: the encoder refuses it.
    """
    if encoding.format == "jpeg":
        return _by_pillow(
            Image.fromarray(_rgb(_flattened(picture))),
            "JPEG",
            picture.icc,
            quality=encoding.quality or JPEG_QUALITY,
            subsampling="4:4:4",
        )
    if picture.alpha is not None and picture.pixels.ndim == 2:  # OpenCV writes no gray with alpha
        bands = [Image.fromarray(picture.pixels), Image.fromarray(picture.alpha)]
        return _by_pillow(Image.merge("LA", bands), "PNG", picture.icc, compress_level=1)
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    # OpenCV's default setting: several times faster than level 6, whose files are a fifth smaller.
    try:
        if picture.icc is None:
            ok, data = cv2.imencode(".png", pixels)
        else:
            profile = np.frombuffer(picture.icc, np.uint8)
            ok, data = cv2.imencodeWithMetadata(
                ".png", pixels, [cv2.IMAGE_METADATA_ICCP], [profile]
            )
    except cv2.error:
        ok = False
    if ok:
        return bytes(data)
    # libpng refuses profiles that are padded or oddly long, though colour engines read them.
    code = cv2.COLOR_BGRA2RGBA if picture.alpha is not None else cv2.COLOR_BGR2RGB
    ordered = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, code), np.uint8)
    return _by_pillow(Image.fromarray(ordered), "PNG", picture.icc, compress_level=1)


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
    if picture.alpha is None:
        return picture.pixels
    share = picture.alpha.astype(np.uint16)
    if picture.pixels.ndim == 3:
        share = share[:, :, None]
    mixed = picture.pixels * share + _WHITE * (255 - share) + 127
    return np.asarray(mixed // 255, np.uint8)
