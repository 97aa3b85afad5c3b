"""Encode an animation frame by frame, write its file and describe it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.images.encoder_settings import EncoderSettings
from models.operations import Encoding
from workers.imaging import apng_writer, icc_profile, notes, writer
from workers.imaging.animation import Animation, Frame
from workers.imaging.embedding import Embedding
from workers.imaging.gif_writer import GifWriter
from workers.imaging.writer import Output

_LONGEST_WEBP_MS = (1 << 24) - 1
_MOST_WEBP_PLAYS = 65_535


def write(
    animation: Animation, count: int, encoding: Encoding, writing: EncoderSettings, path: Path
) -> Output:
    """Write ``animation``, which has ``count`` frames, to ``path``.

    Raises:
        BadImage: the encoder refuses it, or as reading the frames.
    """
    first = next(animation.frames)
    size = first.picture.size
    carried = Embedding.of(first.picture, encoding)
    said = dict.fromkeys(carried.notes)
    frames = _Frames(first, animation.frames, carried, encoding, said)
    if encoding.format == "webp":
        _write_webp(frames, animation.plays, count, encoding, writing, path)
    else:
        with path.open("wb") as file:
            if encoding.format == "gif":
                lost = GifWriter(file, set())
                lost.write(frames.canvases(), animation.plays, size)
                said |= dict.fromkeys(sorted(lost.said))
            else:
                chunks, level = carried.png_chunks(), writing.png_level
                plays = animation.plays
                apng_writer.write(file, frames.canvases(), count, plays, level, chunks)
    described = replace(first.picture, notes=tuple(frames.notes))
    return writer.describe(described, path, tuple(said))


class _Frames:
    """Frames as images in RGB or RGBA, one after another. ``notes``: those of all of them."""

    def __init__(
        self,
        first: Frame,
        others: Iterator[Frame],
        carried: Embedding,
        encoding: Encoding,
        said: dict[str, None],
    ) -> None:
        self._first: Frame | None = first
        self._others = others
        self._carried = carried
        self._name = "WebP" if encoding.format == "webp" else encoding.format.upper()
        self._holds_profile = encoding.format != "gif"
        self._said = said
        self.notes: dict[str, None] = {}
        self.options: dict[str, Any] = {}

    def __iter__(self) -> Iterator[tuple[Image.Image, int]]:
        if self._first is not None:
            first, self._first = self._first, None
            yield self._image(first), first.milliseconds
            del first
        for frame in self._others:
            yield self._image(frame), frame.milliseconds

    def canvases(self) -> Iterator[tuple[NDArray[np.uint8], int]]:
        """Yield (h, w, 4) RGBA and milliseconds of each frame."""
        for image, milliseconds in self:
            yield np.asarray(image.convert("RGBA"), np.uint8), milliseconds

    def _image(self, frame: Frame) -> Image.Image:
        self.notes |= dict.fromkeys(frame.picture.notes)
        picture = frame.picture
        image, self.options, said = writer.coloured(picture, self._carried, self._name)
        if not self._holds_profile and picture.icc is not None and picture.pixels.ndim > 2:
            alpha = image.getchannel("A") if image.mode == "RGBA" else None
            image = icc_profile.to_srgb(image.convert("RGB"), picture.icc)
            if alpha is not None:
                image.putalpha(alpha)
            said = (notes.PROFILE_APPLIED,)
        self._said |= dict.fromkeys(said)
        return image


class _Following:
    """The frames after the first, as Pillow's encoder asks for them: so it holds one at a time."""

    def __init__(
        self, images: Iterator[tuple[Image.Image, int]], count: int, milliseconds: list[int]
    ) -> None:
        self.n_frames = count
        self._images = images
        self._milliseconds = milliseconds

    def seek(self, number: int) -> None:
        self._image, shown = next(self._images)
        self._milliseconds.append(min(shown, _LONGEST_WEBP_MS))

    @property
    def mode(self) -> str:
        return self._image.mode

    def getim(self) -> Any:
        return self._image.getim()


def _write_webp(
    frames: _Frames,
    plays: int,
    count: int,
    encoding: Encoding,
    writing: EncoderSettings,
    path: Path,
) -> None:
    images = iter(frames)
    image, shown = next(images)
    durations = [min(shown, _LONGEST_WEBP_MS)]  # Pillow reads each when its frame was asked for
    quality = encoding.quality or writing.quality("webp")
    asked = writer.LOSSLESS_WEBP if quality == "lossless" else {"quality": quality}
    data = writer.encode_with_pillow(
        image,
        "WEBP",
        save_all=True,
        append_images=[_Following(images, count - 1, durations)],
        duration=durations,
        loop=min(plays, _MOST_WEBP_PLAYS),
        background=(0, 0, 0, 0),
        method=writer.WEBP_METHOD,
        **frames.options,
        **asked,
    )
    path.write_bytes(data)
