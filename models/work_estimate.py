"""Prediction of the work of a task: seconds of a child process, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.errors import TooMuchWork
from models.images.inspect import ImageHeader, OutputFormat
from models.operations import Operation, Size
from models.operations.steps import final_encoding
from models.tasks.task import Work

# Seconds for a million pixels on a core of 3 GHz, rounded up; those of networks with
# OpenVINO. What this machine takes is measured and corrects them.
_DECODE = {"jpeg": 0.02, "png": 0.06, "gif": 0.06}
_ENCODE: dict[OutputFormat, float] = {"png": 0.08, "jpeg": 0.03, "webp": 0.2}
_LOSSLESS_WEBP = 0.35
_OPERATION = 0.05  # of the larger of its input and output
_NETWORK = {
    "darkroom-fast": 0.25,
    "darkroom-balanced": 0.7,
    "darkroom-best": 7.0,
    # By their processor time beside darkroom-best: 0.92, 1.8 and 38 s to its 2.6 for 320x240 to x4;
    # EDSR by its multiplications, two and a half times those of x4plus.
    "realesr-animevideov3": 2.5,
    "realesr-general-x4v3": 5.0,
    "realesrgan-x4plus": 100.0,
    "EDSR": 250.0,
    "darkroom-photo": 3.5,
}
_OTHER_NETWORK = 1.0
_FIXED_SECONDS = 0.01

SHORT_SECONDS = 1.0
"""Tasks up to this long may use the child that is kept for them while others run long ones."""
SECONDS_PER_TURN = 10.0
"""Longer tasks count as several of their client: one more for each ten seconds."""
_TIMEOUT_MARGIN = 2.0  # a prediction may be wrong: what is refused would take twice as long


def network_seconds(model: str, scale: int, factors: Mapping[str, float]) -> float:
    """Return the seconds that a network takes for a million pixels of input on this machine.

    ``factors``: see ``plan``. A network without one takes as much longer as the others on average.
    """
    measured = [value for label, value in factors.items() if label]
    usual = sum(measured) / len(measured) if measured else 1.0
    return _NETWORK.get(model, _OTHER_NETWORK) * factors.get(f"{model}-x{scale}", usual)


def estimate(
    header: ImageHeader,
    operations: Sequence[Operation],
    output: OutputFormat,
    results: Sequence[Size],
) -> tuple[str, float]:
    """Return the networks of a task, as a label, and its seconds at the prices above.

    ``results``: the sizes of its results. How much longer this machine takes is measured for each
    label: see ``plan``.
    """
    sizes: list[Size] = [(header.width, header.height)]
    before, labels = _pixels(sizes), set()
    seconds = _FIXED_SECONDS + before * _DECODE.get(header.kind, _DECODE["png"])
    for operation in operations:
        sizes = [part for each in sizes for part in operation.output_sizes(*each)]
        after = _pixels(sizes)
        if networks := operation.networks():
            seconds += before * sum(_NETWORK.get(name, _OTHER_NETWORK) for name, _ in networks)
            labels.add(operation.network_label())
        else:
            seconds += max(before, after) * _OPERATION
        before = after
    lossless = output == "webp" and final_encoding(operations, output).quality == "lossless"
    seconds += _pixels(results) * (_LOSSLESS_WEBP if lossless else _ENCODE[output])
    return "+".join(sorted(labels)), seconds


def plan(label: str, reference: float, factors: Mapping[str, float], timeout: float) -> Work:
    """Return the work of a task of ``reference`` seconds; ``timeout``: of one task.

    ``factors``: by label, the seconds that recent tasks took for each predicted one.

    Raises:
        TooMuchWork: it would not end within TASK_TIMEOUT.
    """
    seconds = reference * factors.get(label, 1.0)
    if seconds > timeout * _TIMEOUT_MARGIN:
        raise TooMuchWork(
            f"the work would take about {seconds:.0f} s; a task is ended after {timeout:g} s "
            f"(TASK_TIMEOUT): a picture of {timeout / seconds:.0%} of the pixels passes, and a "
            "faster network or fewer operations take less",
            setting="TASK_TIMEOUT",
            limit=timeout,
            measured=round(seconds),
        )
    turns = 1 + int(seconds // SECONDS_PER_TURN)
    short = seconds <= SHORT_SECONDS
    return Work(label=label, reference_seconds=reference, turns=turns, short=short)


def _pixels(sizes: Sequence[Size]) -> float:
    """Return millions of pixels."""
    return sum(width * height for width, height in sizes) / 1_000_000
