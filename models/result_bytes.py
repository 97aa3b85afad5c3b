"""Prediction of the bytes that a task's results take on MongoDB's disk, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.errors import TooLarge
from models.images.inspect import ImageHeader, OutputFormat
from models.images.metadata import MetadataChoice
from models.images.metadata import most_bytes as most_metadata_bytes
from models.operations import Operation, Size
from models.operations.steps import final_encoding

_MOST: dict[OutputFormat, float] = {"jpeg": 5.0, "webp": 2.5, "avif": 5.5, "gif": 1.6}
"""Bytes a pixel that no picture exceeds: noise, at quality 100 and without subsampling, has 4.74,
in WebP 1.28 and 1 for alpha, in AVIF 3.8 and 1.5 for alpha. Of a PNG and a lossless WebP they are
the samples, of a GIF one code of 9 to 12 bits for each."""
_LOSSLESS_OVERHEAD = 1.01  # in PNG a byte for each row, and the heads of deflate's stored blocks
_HEAD_BYTES = 4096
"""Of a result beside pixels, profile and all metadata, and of its entry in GridFS. A built profile
and safe metadata take part of them."""

USUAL_SHARE: dict[OutputFormat, float] = {
    "png": 1.0,
    "jpeg": 0.15,
    "webp": 0.15,
    "avif": 0.05,
    "gif": 0.5,
}
"""Predicted share of the most, as long as no results were measured. Six photographs and paintings
took 0.03 to 0.13 of it with the usual qualities, and at most half of that when enlarged."""
_MARGIN = 1.25  # above the largest measured share


def most_bytes(
    header: ImageHeader,
    operations: Sequence[Operation],
    output: OutputFormat,
    sizes: Sequence[Size],
    metadata: MetadataChoice = "none",
) -> int:
    """Return the bytes that all results of a task together cannot exceed.

    ``sizes``: of the results, see ``models.operations.steps.result_sizes``, and of each of their
    frames. ``metadata``: what they keep of it.
    """
    depth, channels = header.samples
    if any(operation.runs_network for operation in operations):
        depth = 8
    if output == "png":
        # An animation is written with alpha: a frame may leave parts of its canvas empty.
        channels = 4 if final_encoding(operations, output).frames == "all" else channels
        pixel = channels * depth / 8 * _LOSSLESS_OVERHEAD
    elif final_encoding(operations, output).quality == "lossless":
        pixel = (channels if channels > 2 else channels + 2) * _LOSSLESS_OVERHEAD  # gray is RGB
    else:
        pixel = _MOST[output]
    pixels = sum(width * height for width, height in sizes)
    head = _HEAD_BYTES + header.profile_bytes + most_metadata_bytes(metadata)
    most = round(pixels * pixel) + len(sizes) * head
    limit = final_encoding(operations, output).max_bytes
    return most if limit is None else min(most, len(sizes) * (limit + _HEAD_BYTES))


def predicted_bytes(most: int, output: OutputFormat, seen: Mapping[OutputFormat, float]) -> int:
    """Return the bytes that results will probably take, of the ``most`` they could.

    ``seen``: the largest share of the most that recent results took, by format.
    """
    share = seen[output] * _MARGIN if output in seen else USUAL_SHARE[output]
    return round(most * min(1.0, share))


def total_predicted_bytes(
    most: Mapping[OutputFormat, int], seen: Mapping[OutputFormat, float]
) -> int:
    """Return the bytes that the results of several tasks will probably take.

    ``most``: that they cannot exceed, by format. ``seen``: see ``predicted_bytes``.
    """
    return sum(predicted_bytes(count, output, seen) for output, count in most.items())


def check_result_bytes(predicted: int, limit: int) -> None:
    """Return if the results of one task may take ``predicted`` bytes.

    Raises:
        TooLarge: more than MAX_RESULT_BYTES.
    """
    if predicted > limit:
        raise TooLarge(
            f"the results of this picture would take about {predicted} bytes; at most {limit} are "
            f"allowed (MAX_RESULT_BYTES): one of {limit / predicted:.0%} of the pixels passes",
            setting="MAX_RESULT_BYTES",
            limit=limit,
            measured=predicted,
        )
