"""Encode a Picture, write its file and describe it; the only module that does."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from models.errors import BadImage, BadParameter
from models.images.encoder_settings import EncoderSettings
from models.operations import Encoding
from models.operations.spec import EncodedQuality
from workers.imaging import depth16, icc_profile, notes, png_colours, png_layout, png_writer
from workers.imaging.embedding import Embedding
from workers.imaging.picture import Picture, Pixels

WEBP_METHOD = 4  # 6 takes twice as long for files 3 % smaller, 2 half as long for 4 % larger
LOSSLESS_WEBP = {"lossless": True, "exact": True, "quality": 50}
"""exact: colours of hidden pixels, too. quality: the effort; 75 takes twice as long for the same
size, 0 half as long for up to 2 % more."""
_AVIF = {"speed": 8, "max_threads": 1}
"""speed: 6 takes 3 times as long for files 3 to 20 % smaller, 10 is no faster. One thread, since
other tasks have the other cores, and the bytes do not depend on their number."""
_MOST_JPEG_BYTES = 5  # of a pixel, see ``models.result_bytes``
_WHITE = 255
_BAND_ROWS = 128

Encode = Callable[[EncodedQuality], bytes]


@dataclass(frozen=True)
class Output:
    """A result file on disk; sides in pixels. ``notes``: for the user."""

    path: str
    width: int
    height: int
    bytes: int
    sha256: str
    notes: tuple[str, ...] = ()


def write(picture: Picture, encoding: Encoding, writing: EncoderSettings, path: Path) -> Output:
    """Encode ``picture`` to ``path``; JPEG has no alpha, so there it is composed on white.

    Only PNG keeps 16 bits. ``writing`` fills in what ``encoding`` leaves open.

    Raises:
        BadImage: the encoder refuses it. BadParameter: see ``_search``.
    """
    if encoding.format == "png":
        carried = Embedding.of(picture, encoding)
        few = png_colours.reduce(picture) if picture.few_colours else None
        layout, chunks = few or png_layout.full(picture), carried.png_chunks()
        png_writer.write(path, layout, writing.png_level, chunks, few_colours=few is not None)
        return describe(picture, path, carried.notes)
    picture = depth16.reduce_to_8_bits(picture, notes.REDUCED_FOR_FORMAT)
    carried = Embedding.of(picture, encoding)
    encode, said = _ENCODERS[encoding.format](picture, carried, encoding, writing)
    quality = encoding.quality or writing.quality(encoding.format)
    if encoding.max_bytes is None:
        data = encode(quality)
    else:
        found, data = _search(encode, int(quality), encoding.max_bytes, picture)
        if found != quality:
            said = (*said, notes.QUALITY_FOUND.format(found, encoding.max_bytes))
    path.write_bytes(data)
    return describe(picture, path, (*carried.notes, *said))


def _search(encode: Encode, quality: int, max_bytes: int, picture: Picture) -> tuple[int, bytes]:
    """Return the highest quality up to ``quality`` whose file has at most ``max_bytes``, and it.

    Raises:
        BadParameter: none has.
    """
    data = encode(quality)
    if len(data) <= max_bytes:
        return quality, data
    found, low, high = None, 1, quality - 1
    while low <= high:
        middle = (low + high) // 2
        data = encode(middle)
        if len(data) <= max_bytes:
            found, low = (middle, data), middle + 1
        else:
            high = middle - 1
    if found is None:
        raise BadParameter(
            f"max_bytes={max_bytes}: at the lowest quality the {picture.width} x {picture.height} "
            f"pixels take {len(data)} bytes; allow as many, or make the picture smaller",
            parameter="max_bytes",
            limit=max_bytes,
            measured=len(data),
        )
    return found


def describe(picture: Picture, path: Path, more_notes: tuple[str, ...] = ()) -> Output:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size, all_notes = path.stat().st_size, (*picture.notes, *more_notes)
    return Output(str(path), picture.width, picture.height, size, sha256, all_notes)


def _jpeg_encoder(
    picture: Picture, carried: Embedding, encoding: Encoding, writing: EncoderSettings
) -> tuple[Encode, tuple[str, ...]]:
    image = Image.fromarray(_rgb(_on_white(picture)))
    options = {
        **carried.pillow_options(),
        "subsampling": writing.jpeg_subsampling,
        "progressive": encoding.progressive,
    }

    def encode(quality: EncodedQuality) -> bytes:
        with _buffer(picture.width * picture.height if encoding.progressive else 0):
            data = encode_with_pillow(image, "JPEG", quality=quality, **options)
        return carried.with_density(data)

    return encode, () if picture.alpha is None else (notes.ON_WHITE,)


@contextmanager
def _buffer(pixels: int) -> Iterator[None]:
    """Let Pillow's buffer hold a progressive JPEG of ``pixels``: libjpeg writes it in one piece."""
    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, pixels * _MOST_JPEG_BYTES + before)
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def _webp_encoder(
    picture: Picture, carried: Embedding, encoding: Encoding, writing: EncoderSettings
) -> tuple[Encode, tuple[str, ...]]:
    """Return the encoder of a WebP, which has no gray: there it becomes sRGB."""
    image, options, said = coloured(picture, carried, "WebP")

    def encode(quality: EncodedQuality) -> bytes:
        asked = LOSSLESS_WEBP if quality == "lossless" else {"quality": quality}
        return encode_with_pillow(image, "WEBP", **options, **asked, method=WEBP_METHOD)

    return encode, said


def _avif_encoder(
    picture: Picture, carried: Embedding, encoding: Encoding, writing: EncoderSettings
) -> tuple[Encode, tuple[str, ...]]:
    """Return the encoder of an AVIF of 8 bits; Pillow writes gray with alpha as RGB only."""
    gray = picture.pixels.ndim == 2 and picture.alpha is None
    said: tuple[str, ...] = ()
    if gray:
        image, options = Image.fromarray(picture.pixels), carried.pillow_options()
    else:
        image, options, said = coloured(picture, carried, "AVIF with alpha")
    if carried.exif:
        options["exif"] = _WholeExif(carried.exif)
    subsampling = "4:0:0" if gray else "4:4:4"

    def encode(quality: EncodedQuality) -> bytes:
        return encode_with_pillow(
            image, "AVIF", **options, **_AVIF, quality=quality, subsampling=subsampling
        )

    return encode, said


class _WholeExif(Image.Exif):
    """A block of EXIF that Pillow writes into an AVIF as it is.

    Of bytes it would take out the orientation, which is upright here, and for that write a block of
    its own, in which makers' notes lose their place.
    """

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self._block = block

    def __len__(self) -> int:
        return 1

    def __contains__(self, tag: object) -> bool:
        return False

    def tobytes(self, offset: int = 8) -> bytes:
        return self._block


def coloured(
    picture: Picture, carried: Embedding, name: str
) -> tuple[Image.Image, dict[str, Any], tuple[str, ...]]:
    """Return the image in RGB or RGBA with its options: a gray profile would not fit, so gray
    becomes sRGB.
    """
    image = Image.fromarray(_rgb(depth16.to_8_bits(picture.pixels)))
    options = carried.pillow_options()
    said: tuple[str, ...] = ()
    if picture.pixels.ndim == 2:
        if picture.icc is not None:
            said = (notes.GRAY_PROFILE.format(name),)
        image, options["icc_profile"] = icc_profile.to_srgb(image, picture.icc), None
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return image, options, said


_ENCODERS: dict[str, Callable[..., tuple[Encode, tuple[str, ...]]]] = {
    "jpeg": _jpeg_encoder,
    "webp": _webp_encoder,
    "avif": _avif_encoder,
}
"""Each returns what encodes a prepared picture in a quality, and notes."""


def _rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(pixels[:, :, ::-1], np.uint8)


def encode_with_pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode in memory: in a file, Pillow tells a full disk no better than a bad picture."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        raise BadImage(
            f"{image.width} x {image.height} pixels cannot be written: {error}"
        ) from None
    return buffer.getvalue()


def _on_white(picture: Picture) -> Pixels:
    """Return 8-bit pixels composed on white."""
    pixels = depth16.to_8_bits(picture.pixels)
    if picture.alpha is None:
        return pixels
    flat = np.empty_like(pixels)
    # In bands: intermediate arrays take several times the memory of their pixels.
    for top in range(0, picture.height, _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        share = picture.alpha[rows].astype(np.uint16)
        if pixels.ndim == 3:
            share = share[:, :, None]
        mixed = pixels[rows] * share + _WHITE * (255 - share) + 127
        flat[rows] = mixed // 255
    return flat
