"""The operations, with typed parameters; written by `python -m docs` from `models/operations/`.

A parameter that is None is not sent: the service then takes its default.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Operation:
    """One operation of a submission."""

    op: ClassVar[str]

    def document(self) -> dict[str, Any]:
        """Return its JSON, as ``POST /process`` takes it in ``operations``."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {"op": self.op, **{k: v for k, v in given.items() if v is not None}}


@dataclass(frozen=True, kw_only=True)
class Upscale(Operation):
    """Enlarge a picture with a super-resolution network."""

    op: ClassVar[str] = "upscale"
    scale: int | None = None
    """How many times wider and higher. Default: 2."""
    quality: Literal["fast", "balanced", "best", "photo", "auto"] | None = None
    """How long the work may take: balanced, unless a model is named. photo is for damaged
    photographs (noise, JPEG), auto takes photo for them and else balanced."""
    model: str | None = None
    """Name of a network, instead of a quality. Default: darkroom-balanced."""
    strength: int | None = None
    """With photo and auto: percent of the photo network's result, the rest is balanced; 65 if it is
    not said."""


@dataclass(frozen=True, kw_only=True)
class Restore(Operation):
    """Mend a damaged photograph: less noise, no JPEG blocks, sharper edges; its size stays."""

    op: ClassVar[str] = "restore"
    strength: int | None = None
    """Percent of the network's result; the rest is the picture as it was. Default: 65."""


@dataclass(frozen=True, kw_only=True)
class Grayscale(Operation):
    """Take the colour out of a picture; transparency stays."""

    op: ClassVar[str] = "grayscale"


@dataclass(frozen=True, kw_only=True)
class Blur(Operation):
    """Blur a picture with a Gaussian; transparent edges get no dark fringe."""

    op: ClassVar[str] = "blur"
    kernel: int | None = None
    """Side of the kernel in pixels, an odd number; 0: as large as sigma needs. Default: 0."""
    sigma: float | None = None
    """Standard deviation in pixels; 0, and its default where a kernel is given: as the kernel
    needs. Default: 5."""


@dataclass(frozen=True, kw_only=True)
class Sharpen(Operation):
    """Sharpen a picture with an unsharp mask; transparency stays."""

    op: ClassVar[str] = "sharpen"
    amount: int | None = None
    """Percent of the difference from the blurred picture that is added. Default: 100."""
    radius: float | None = None
    """Standard deviation of the blur in pixels: how wide the edges are that it sharpens. Default:
    1.5."""
    threshold: float | None = None
    """What differs by less stays, so that noise is not sharpened; in levels of 255, by which larger
    differences are reduced, too. Default: 0."""


@dataclass(frozen=True, kw_only=True)
class Adjust(Operation):
    """Change brightness, contrast, gamma and saturation, in this order; transparency stays."""

    op: ClassVar[str] = "adjust"
    brightness: int | None = None
    """Percent more light: -100 is black, 100 doubles every value. Default: 0."""
    contrast: int | None = None
    """Percent more distance from middle gray: -100 is gray, 100 doubles it. Default: 0."""
    saturation: int | None = None
    """Percent more colour: -100 takes it out, 100 doubles it; gray stays gray. Default: 0."""
    gamma: float | None = None
    """Above 1 shadows get lighter, below 1 darker; black and white stay. Default: 1."""


@dataclass(frozen=True, kw_only=True)
class Thumbnail(Operation):
    """Shrink a picture to fit into a box, keeping its shape; it is never enlarged."""

    op: ClassVar[str] = "thumbnail"
    width: int | None = None
    """Width of the box in pixels; given alone, its height too. Default: 100."""
    height: int | None = None
    """Height of the box in pixels; given alone, its width too. Default: 100."""
    fit: Literal["cover", "contain", "pad"] | None = None
    """contain: as large as fits into the box; cover: fills the box, and what reaches beyond it is
    cut off on both sides; pad: as contain, with a colour around it up to the box. None of them
    enlarges it. Default: contain."""
    colour: str | None = None
    """Colour around a padded picture: #rrggbb, #rrggbbaa, white, black or transparent; by default
    white. A gray picture gets the gray of it."""


@dataclass(frozen=True, kw_only=True)
class Resize(Operation):
    """Give a picture another size: by a factor, or by its new width, height or both."""

    op: ClassVar[str] = "resize"
    scale: float | None = None
    """How many times wider and higher; excludes width and height."""
    width: int | None = None
    """New width in pixels; alone, the shape is kept."""
    height: int | None = None
    """New height in pixels; alone, the shape is kept."""
    filter: Literal["lanczos", "cubic"] | None = None
    """Filter for enlarging; shrinking averages areas. Default: lanczos."""
    fit: Literal["stretch", "cover", "contain", "pad"] | None = None
    """How it goes into width and height. stretch: both sides exactly, whatever the shape; contain:
    as large as fits into the box; cover: fills the box, and what reaches beyond it is cut off on
    both sides; pad: as contain, with a colour around it up to the box. Default: stretch."""
    colour: str | None = None
    """Colour around a padded picture: #rrggbb, #rrggbbaa, white, black or transparent; by default
    white. A gray picture gets the gray of it."""


@dataclass(frozen=True, kw_only=True)
class Split(Operation):
    """Cut a picture into four quadrants: top left, top right, bottom left, bottom right."""

    op: ClassVar[str] = "split"


@dataclass(frozen=True, kw_only=True)
class Crop(Operation):
    """Keep a rectangle of a picture, which must lie inside it."""

    op: ClassVar[str] = "crop"
    x: int | None = None
    """First column that is kept, from the left. Default: 0."""
    y: int | None = None
    """First row that is kept, from the top. Default: 0."""
    width: int
    """Width of the rectangle in pixels."""
    height: int
    """Height of the rectangle in pixels."""


@dataclass(frozen=True, kw_only=True)
class SmartCrop(Operation):
    """Cut a picture to a shape or a size around what stands out in it."""

    op: ClassVar[str] = "smartcrop"
    ratio: str | None = None
    """Shape of the result, width:height, e.g. 16:9; by default 1:1. The result is the largest part
    of this shape."""
    width: int | None = None
    """Width of the result in pixels, with height and without ratio: the part of that shape is
    shrunk to it, and never enlarged."""
    height: int | None = None
    """Height of the result in pixels, with width."""


@dataclass(frozen=True, kw_only=True)
class Trim(Operation):
    """Cut off the border of a picture that has one colour, or is transparent."""

    op: ClassVar[str] = "trim"
    tolerance: int | None = None
    """How much a pixel of the border may differ from its colour, in each of red, green, blue and
    opacity, in levels of 0 to 255 (also where samples have 16 bits). 20 covers most of what a JPEG
    adds beside edges; 0: not at all. Default: 20."""
    padding: int | None = None
    """How many pixels of the border stay on each side; no more than there are. Default: 0."""
    colour: str | None = None
    """Colour of the border: #rrggbb, #rrggbbaa, white, black or transparent; by default that of the
    top left pixel. In a gray picture it is the gray of it."""


@dataclass(frozen=True, kw_only=True)
class Rotate(Operation):
    """Turn a picture clockwise by quarter turns; no pixel is changed."""

    op: ClassVar[str] = "rotate"
    angle: int
    """Degrees clockwise: 90, 180 or 270; negative ones turn the other way."""


@dataclass(frozen=True, kw_only=True)
class Flip(Operation):
    """Mirror a picture left to right or top to bottom; no pixel is changed."""

    op: ClassVar[str] = "flip"
    direction: Literal["horizontal", "vertical"] | None = None
    """horizontal: left becomes right; vertical: top becomes bottom. Default: horizontal."""


@dataclass(frozen=True, kw_only=True)
class Watermark(Operation):
    """Lay a text or a small picture over a picture, in one place or all over it."""

    op: ClassVar[str] = "watermark"
    text: str | None = None
    """One line of Latin, Greek, Cyrillic, Chinese, Japanese or Korean letters, digits and signs. Or
    a picture, which comes as the file watermark_image."""
    place: (
        Literal[
            "top-left",
            "top",
            "top-right",
            "left",
            "center",
            "right",
            "bottom-left",
            "bottom",
            "bottom-right",
            "tile",
        ]
        | None
    ) = None
    """Where the watermark stands; tile: again and again, all over. Default: bottom-right."""
    size: int | None = None
    """Size of the letters, in percent of the picture's shorter side; less where the text would be
    wider than the picture. Default: 5."""
    opacity: int | None = None
    """How much of the watermark shows, in percent; 100 hides all below. Default: 50."""
    colour: str | None = None
    """Colour of the letters: #rrggbb, white or black. Their edge is black or white, whichever
    differs more. A gray picture gets the gray of it. Default: #ffffff."""
    picture: str | None = None
    """watermark_image, in place of a text: the file that the form brings under this name, a PNG or
    JPEG. A task shows its SHA-256."""
    share: int | None = None
    """Width of the watermark's picture, in percent of the whole width; 20 if it is not said, and
    less where it would be too high."""


@dataclass(frozen=True, kw_only=True)
class Convert(Operation):
    """Write a picture in another format or quality; its pixels are not touched."""

    op: ClassVar[str] = "convert"
    format: Literal["png", "jpeg", "webp", "avif", "gif"]
    """Format of the result; jpg is jpeg, and gif needs frames=all."""
    quality: int | Literal["lossless"] | None = None
    """Quality of a JPEG, WebP or AVIF, higher is larger, or lossless for a WebP; PNG is always
    lossless. By default as JPEG_QUALITY and WEBP_QUALITY say, and 75 for AVIF."""
    progressive: int | None = None
    """1: a JPEG that browsers show coarse at first, then fine; it is a little smaller. Default:
    0."""
    max_bytes: int | None = None
    """Most bytes of the file: the highest quality that fits is searched for, from quality
    downwards."""
    frames: Literal["first", "all"] | None = None
    """all: of an animated GIF, WebP or PNG all frames are kept, in a WebP, GIF or PNG; first: the
    first of them. Default: first."""


__all__ = [
    "Adjust",
    "Blur",
    "Convert",
    "Crop",
    "Flip",
    "Grayscale",
    "Operation",
    "Resize",
    "Restore",
    "Rotate",
    "Sharpen",
    "SmartCrop",
    "Split",
    "Thumbnail",
    "Trim",
    "Upscale",
    "Watermark",
]
