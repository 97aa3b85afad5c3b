"""The base class of specs: parameters, result sizes, name and encoding of an operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.images.inspect import MAX_SIDE_PIXELS, OutputFormat
from models.networks.catalogue import Catalogue, Weights

Size = tuple[int, int]
"""(width, height) in pixels."""

MAX_REQUESTED_SIDE = MAX_SIDE_PIXELS["png"]
"""Longest side of a request in pixels: no format holds more. MAX_OUTPUT_PIXELS limits areas."""
Side = Annotated[int, Field(ge=1, le=MAX_REQUESTED_SIDE)]

_SUFFICIENT_FACTOR = 4
"""Decoded pixels per result pixel and axis. Their average is within 41 dB of the average of all
pixels, on the worst of five photographs; with 3 it is 40 dB, with 2 it is 35 dB."""


EncodedQuality = int | Literal["lossless"] | None
"""Of a result's file: 1 to 100; lossless, as WebP can be; None: the format's default."""


Frames = Literal["first", "all"]
"""Of an animation: its first frame as a still picture, or all of them."""


@dataclass(frozen=True)
class Encoding:
    """The format and quality of results; what ``format`` PNG has is always lossless.

    ``progressive``: of a JPEG. ``max_bytes``: the file has at most as many; ``quality`` is then the
    highest that is tried. ``frames``: which of an animation it holds.
    """

    format: OutputFormat
    quality: EncodedQuality = None
    progressive: bool = False
    max_bytes: int | None = None
    frames: Frames = "first"


class Operation(BaseModel):
    """The parameters of one operation; frozen, and unknown parameters are refused.

    The first line of a subclass's docstring and its fields' descriptions are its help texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    op: ClassVar[str]
    """The name of the operation, its route and its module."""

    example: ClassVar[Mapping[str, str]] = {}
    """Parameters of a good example, as a form sends them."""

    shorthand: ClassVar[str | None] = None
    """The parameter that ``op=value`` sets in a list of operations; None: it takes no value."""

    parts: ClassVar[int] = 1
    """The number of images that one image becomes."""

    costly: ClassVar[bool] = False
    """Whether keeping the result for other pipelines is cheaper than computing it again."""

    mixes_neighbours: ClassVar[bool] = False
    """Whether a pixel of the result depends on several pixels: where there is alpha, colours are
    then weighted by it in wider copies, which the memory estimate counts."""

    runs_network: ClassVar[bool] = False
    """Whether a network does it: in 8 bits a sample, with a filled copy of an input with alpha."""

    later: ClassVar[frozenset[str]] = frozenset()
    """Parameters that came after the first release: documents leave them out where they are not
    asked for, so that the fingerprints of older results stay the same."""

    follows_content: ClassVar[bool] = False
    """Whether it looks at the picture to decide which part to keep: frames of an animation would
    not stay where they are."""

    finds_size: ClassVar[bool] = False
    """Whether the size of its result depends on the pixels: ``output_sizes`` is then the most that
    each side can have, and what follows is limited by its ``largest_sizes``."""

    same_frame: ClassVar[bool] = True
    """Whether the result shows the whole original, so that a page can lay one over the other."""

    @field_validator("*", mode="before")
    @classmethod
    def _not_a_flag(cls, value: Any) -> Any:
        if isinstance(value, bool):  # JSON's true would otherwise count as 1
            raise ValueError("true and false are no values of it")  # noqa: TRY004 -- pydantic's way
        return value

    @field_validator("*")
    @classmethod
    def _without_negative_zero(cls, value: Any) -> Any:
        """Return 0.0 for -0.0: they are equal, but their documents and fingerprints are not."""
        return value + 0.0 if isinstance(value, float) else value

    def label(self) -> str:
        """Return the operation's part of a result's name, e.g. ``upscale-x2``."""
        return self.op

    def output_sizes(self, width: int, height: int) -> list[Size]:
        """Return the size of each part for an upright input of that size.

        Raises:
            BadParameter: the operation does not fit an image of that size.
        """
        return [(width, height)]

    def largest_sizes(self, width: int, height: int) -> list[Size]:
        """Return for each part the most that its sides have for any input up to that size.

        This is right where neither side of a result shrinks while the input grows.

        Raises:
            BadParameter: see ``output_sizes`` and ``check_bounded``.
        """
        self.check_bounded()
        return self.output_sizes(width, height)

    def check_bounded(self) -> None:
        """Return if a smaller input cannot have a much larger result.

        Raises:
            BadParameter: it can; says what would pass.
        """

    def minimum_decode_size(self, width: int, height: int) -> Size | None:
        """Return the least size, in pixels, from which the result is as good as from all pixels.

        A decoder that can scale need not decode more. None: every pixel counts.
        """
        return None

    def output_channels(self, channels: int) -> int:
        """Return the channels of the result, 1 to 4 with alpha, for an input with ``channels``.

        An operation may leave out channels and not say so: the prediction of memory is then higher.
        """
        return channels

    def second_pixels(self, width: int, height: int) -> int:
        """Return the most pixels of a second picture, with alpha, that it lays over the first."""
        return 0

    def cost(self) -> float:
        """Return how many times as long as a resize of as many pixels it takes."""
        return 1.0

    def encoding(self) -> Encoding | None:
        """Return the encoding of the results if the operation sets it, else None."""
        return None

    def networks(self) -> Sequence[tuple[str, int]]:
        """Return (name, scale) of each network that the operation may run."""
        return ()

    def network_label(self) -> str:
        """Return the one name of its networks where the worker chooses one (``auto``); else ""."""
        return ""

    def weights(self, catalogue: Catalogue) -> list[Weights]:
        """Return the networks of ``networks``; BadParameter if one is not available."""
        return [catalogue.find(*each) for each in self.networks()]

    def document(self) -> dict[str, Any]:
        """Return the canonical form: the name and the parameters, defaults filled in."""
        fields = type(self).model_fields
        plain = {name for name in self.later if getattr(self, name) == fields[name].default}
        return {"op": self.op, **self.model_dump(mode="json", exclude=plain)}


def proportional(length: int, part: int, whole: int) -> int:
    """Return ``length * part / whole`` in pixels, rounded half up, at least 1."""
    return max(1, (2 * length * part + whole) // (2 * whole))


def sufficient_size(target: Size, width: int, height: int) -> Size | None:
    """Return ``_SUFFICIENT_FACTOR`` times ``target``, or None if the image is smaller than that."""
    least = (_SUFFICIENT_FACTOR * target[0], _SUFFICIENT_FACTOR * target[1])
    return least if least[0] <= width and least[1] <= height else None
