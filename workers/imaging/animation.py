"""The frames of an animation: read one by one, each composed as a player shows it."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from models.errors import BadImage
from models.images.exif import Orientation, read_orientation
from models.images.inspect import ImageHeader
from models.images.metadata import MetadataChoice
from workers.imaging import (
    apng_reader,
    codec,
    colour_space,
    decoders,
    losses,
    metadata,
    notes,
    resolution,
)
from workers.imaging.colour_space import ColourSpace
from workers.imaging.picture import Picture

Box = tuple[int, int, int, int]
"""(x, y, width, height) in pixels."""


@dataclass(frozen=True)
class Frame:
    """A whole canvas; ``milliseconds``: how long it is shown, as the file says, 0 or more."""

    picture: Picture
    milliseconds: int


@dataclass(frozen=True)
class Animation:
    """``plays``: how often it is played, 0 without end. ``frames``: can be read once."""

    plays: int
    frames: Iterator[Frame]


@dataclass(frozen=True)
class _About:
    """What holds for all frames of a file: colours, what is kept of it, and what is lost."""

    space: ColourSpace
    orientation: Orientation
    first: Picture

    @classmethod
    def of(cls, file: ImageFile.ImageFile, path: Path, keep: MetadataChoice) -> _About:
        exif = metadata.exif_of(file)
        orientation = read_orientation(exif)
        space = colour_space.read(file, path, exif, file.mode in codec.GRAY_MODES)
        kept, printed = metadata.read(file, keep), resolution.read(file, exif)
        if printed is not None and orientation >= 5:
            printed = printed.turned()
        lost = [note for note in losses.read(file, path) if note != notes.FIRST_FRAME]
        said = (*lost, *space.notes, *kept.notes)
        no_pixels = np.zeros((1, 1), np.uint8)
        first = Picture(no_pixels, resolution=printed, metadata=kept, notes=said)
        return cls(space, orientation, first)


@contextmanager
def read(path: Path, header: ImageHeader, keep: MetadataChoice) -> Iterator[Animation]:
    """Open the animation at ``path``, whose ``header`` was read from it.

    Pictures have 8 bits a sample; each carries colour profile, resolution and metadata of the file.

    Raises:
        BadImage: a frame is missing, broken, or reaches past the canvas. Reading frames raises it,
            too.
    """
    pixels = header.width * header.height
    with ExitStack() as stack:
        with codec.refusing_damage(path, pixels):
            file = stack.enter_context(decoders.open_image(path, pixels))
        frames = stack.enter_context(closing(_frames(file, path, header, keep)))
        yield Animation(_plays(file), frames)


def changed_box(last: NDArray[np.uint8], canvas: NDArray[np.uint8]) -> Box:
    """Return the box around the pixels in which two canvases, (h, w, 4), differ.

    Where none does, it is one pixel: a frame without an area is none.
    """
    changed = (last != canvas).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not rows.size:
        return (0, 0, 1, 1)
    x, y = int(columns[0]), int(rows[0])
    return (x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)


def _frames(
    file: ImageFile.ImageFile, path: Path, header: ImageHeader, keep: MetadataChoice
) -> Generator[Frame]:
    with _naming_frame(path, header, 1):
        file.load()
        about = _About.of(file, path, keep)
    with closing(_composed(file, path)) as composed:
        for number in range(1, header.frames + 1):
            with _naming_frame(path, header, number):
                picture, milliseconds = next(composed, None) or _missing()
                picture = replace(picture, icc=about.space.icc)
                picture = about.space.apply(codec.upright(picture, about.orientation))
            if picture.size != (header.width, header.height):
                raise _past_canvas(header, number)
            yield Frame(
                replace(about.first, pixels=picture.pixels, alpha=picture.alpha, icc=picture.icc),
                round(max(0, milliseconds)),
            )
            del picture


def _composed(file: ImageFile.ImageFile, path: Path) -> Generator[tuple[Picture, float]]:
    """Yield (canvas, milliseconds) of each frame as stored."""
    if file.format == "PNG":
        yield from apng_reader.read_frames(path, file.size, file.mode in codec.GRAY_MODES)
        return
    for number in itertools.count():
        file.seek(number)
        file.load()
        yield codec.read_pixels(file, "", None), file.info.get("duration") or 0


def _missing() -> NoReturn:
    raise ValueError("it is missing")


@contextmanager
def _naming_frame(path: Path, header: ImageHeader, number: int) -> Iterator[None]:
    with codec.refusing_damage(
        path, header.width * header.height, f"frame {number} of {header.frames}"
    ):
        try:
            yield
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _past_canvas(header, number) from None


def _past_canvas(header: ImageHeader, number: int) -> BadImage:
    return BadImage(
        f"frame {number} of the animation reaches past its canvas of {header.width} x "
        f"{header.height}: leave out frames=all, and the first frame is used"
    )


def _plays(file: ImageFile.ImageFile) -> int:
    """Return how often the animation is played: a GIF says how often again, or nothing for once."""
    loop = file.info.get("loop")
    if file.format == "GIF":
        return 1 if loop is None else loop and loop + 1
    return int(loop or 0)
