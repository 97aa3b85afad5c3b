"""Animations that are kept (``frames=all``): how many frames a task has, and what it may do.

Frames are worked at one after another, each as a still picture. The limits of pixels count all of
them together: they are what a small file becomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from models.errors import BadParameter, TooManyPixels
from models.images.inspect import ImageHeader, OutputFormat, check_side
from models.operations import OPERATIONS, Encoding, Operation, Size
from models.operations.spec import Frames
from models.operations.steps import final_encoding, result_sizes

MAX_FRAMES = 2000
"""Of an animation that is kept: at 25 a second 80 seconds. Each takes time that its pixels do not
show, so that a million frames of one pixel would pass the limits of pixels."""


def count_frames(header: ImageHeader, operations: Sequence[Operation], output: OutputFormat) -> int:
    """Return how many frames of the picture are worked at: 1 unless an animation is kept."""
    return header.frames if final_encoding(operations, output).frames == "all" else 1


def check(
    header: ImageHeader,
    operations: Sequence[Operation],
    encoding: Encoding,
    max_pixels: int,
    max_output_pixels: int,
) -> tuple[int, list[Size]]:
    """Return how many frames are worked at, and the sizes of the results of one, if both may be.

    ``encoding``: of the results.

    Raises:
        BadParameter: an operation, the picture or the number of frames does not suit.
        TooManyPixels: a result is too large, or the frames or their results are together.
    """
    results = result_sizes(operations, (header.width, header.height), max_output_pixels)
    for size in results:
        check_side(*size, encoding.format)
    frames = header.frames if encoding.frames == "all" else 1
    if frames == 1:
        if encoding.format == "gif":
            raise BadParameter(
                "gif is written for animations only: "
                + (
                    "send frames=all, too, or ask for png or webp"
                    if header.frames > 1
                    else "the picture is not animated; ask for png or webp"
                ),
                parameter="format",
            )
        return 1, results
    unsuited = next((each.op for each in operations if not _suits(type(each))), None)
    if unsuited is not None:
        known = [op for op, spec in OPERATIONS.items() if _suits(spec)]
        raise BadParameter(
            f"frames=all keeps the animation through {', '.join(known)}, not through {unsuited}: "
            "leave out frames=all, and the first frame is used",
            parameter="frames",
            known=known,
        )
    if header.kind == "png" and header.depth > 8:
        raise BadParameter(
            "frames=all takes an animated PNG of 8 bits a sample, not of 16: leave it out, and the "
            "first frame is used",
            parameter="frames",
        )
    if frames > MAX_FRAMES:
        raise BadParameter(
            f"the animation has {frames} frames; at most {MAX_FRAMES} are kept: send a shorter "
            "one, or leave out frames=all",
            parameter="frames",
            limit=MAX_FRAMES,
            measured=frames,
        )
    _check_pixels("picture", frames, (header.width, header.height), "MAX_PIXELS", max_pixels)
    for size in results:
        _check_pixels("result", frames, size, "MAX_OUTPUT_PIXELS", max_output_pixels)
    return frames, results


def choose_encoding(
    header: ImageHeader,
    operations: Sequence[Operation],
    output: OutputFormat | None,
    fields: Mapping[str, str],
) -> tuple[OutputFormat, dict[str, str]]:
    """Return the format of the results, and which of ``fields`` a ``convert`` to it gets.

    ``output``: asked for, or None. Of a picture that is not animated frames=all says nothing, so
    that its task is the same as without it.

    Raises:
        BadParameter: see ``read_frames``.
    """
    asked = {name: value for name, value in fields.items() if value}
    keeps = read_frames(asked.pop("frames", "")) == "all"
    usual = "gif" if keeps and header.kind == "gif" and header.frames > 1 else header.format
    output = output or final_encoding(operations, usual).format
    if keeps and (header.frames > 1 or output == "gif"):
        asked["frames"] = "all"
    return output, asked


def read_frames(value: str) -> Frames:
    """Return which frames of an animation a form asks for; empty is the first.

    Raises:
        BadParameter: it is another word.
    """
    known: tuple[Frames, ...] = get_args(Frames)
    found = next((each for each in known if (value.strip().lower() or "first") == each), None)
    if found is None:
        raise BadParameter(
            f"frames {value[:20]!a} is not supported; known: {', '.join(known)}",
            parameter="frames",
            known=list(known),
        )
    return found


def _suits(spec: type[Operation]) -> bool:
    """Return whether an operation makes of each frame a picture in the same place."""
    return not (spec.runs_network or spec.follows_content) and spec.parts == 1


def _check_pixels(what: str, frames: int, size: Size, setting: str, limit: int) -> None:
    measured = frames * size[0] * size[1]
    if measured > limit:
        raise TooManyPixels(
            f"the {what}: {frames} frames of {size[0]} x {size[1]} = {measured} pixels; at most "
            f"{limit} are allowed ({setting}): {limit // (size[0] * size[1])} such frames pass",
            setting=setting,
            limit=limit,
            measured=measured,
        )
