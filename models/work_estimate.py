"""Prediction of the work of a task: seconds of a child process, before it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from models.animation import count_frames
from models.errors import TooMuchWork
from models.images.inspect import ImageHeader, OutputFormat
from models.networks.catalogue import AUTO_MODEL, BUNDLED_MODEL, Catalogue
from models.operations import OPERATIONS, Operation, Size
from models.operations.photo import FAITHFUL, PHOTO
from models.operations.steps import final_encoding, sizes_after
from models.tasks.task import Work
from models.work_prices import STORE, Parts, Prices, runs_network

# Reference prices: seconds for a million pixels on a core of 3 GHz; those of networks with
# OpenVINO. What this machine takes is measured and corrects them.
_DECODE = {
    "jpeg": 0.02,
    "smaller": 0.006,
    "png": 0.06,
    "gif": 0.06,
    "webp": 0.04,
    "avif": 0.06,
    "tiff": 0.02,
    "bmp": 0.02,
    "heic": 0.08,
}
_ENCODE: dict[str, float] = {
    "png": 0.08,
    "jpeg": 0.03,
    "webp": 0.2,
    "lossless": 0.35,
    "avif": 0.2,
    # Frames of animations, most of which differ little from the last; a WebP tries several ways.
    "png animated": 0.12,
    "gif animated": 0.3,
    "webp animated": 0.8,
    "lossless animated": 1.2,
    "progressive": 0.08,
    # With max_bytes: seven or eight encodings, until the quality is found.
    "jpeg searched": 0.25,
    "webp searched": 1.5,
    "avif searched": 1.5,
}
_OPERATION = 0.02  # times its cost, of the larger of its input and output
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
    "darkroom-photo": 2.0,
}
_OTHER_NETWORK = 1.0
_AUTO = _NETWORK[FAITHFUL] + _NETWORK[PHOTO] / 2  # PHOTO runs for every second picture, say
_STORE = (0.03, 0.03)  # of a task, and for a million pixels of its results

SHORT_SECONDS = 1.0
"""Tasks up to this long may use the child that is kept for them while others run long ones."""
SECONDS_PER_TURN = 10.0
"""Longer tasks count as several of their client: one more for each ten seconds."""
_TIMEOUT_MARGIN = 2.0  # a prediction may be wrong: what is refused would take twice as long


def steps(
    header: ImageHeader,
    operations: Sequence[Operation],
    output: OutputFormat,
    results: Sequence[Size],
) -> list[Parts]:
    """Return the parts of each step at reference prices: decode, each operation, encode.

    ``results``: the sizes of the results, of each of their frames.
    """
    frames = count_frames(header, operations, output)
    size = (header.width, header.height)
    before = frames * _megapixels([size])
    name, seconds = _decoding(header, operations)
    found: list[Parts] = [[(name, seconds * frames)]]
    for operation, sizes in zip(operations, sizes_after(operations, size), strict=True):
        after = frames * _megapixels(sizes)
        if operation.runs_network:
            found.append(
                [(name, before * price) for name, price in _network_prices(operation).items()]
            )
        else:
            found.append([(operation.op, max(before, after) * _OPERATION * operation.cost())])
        before = after
    encoding, kind = final_encoding(operations, output), str(output)
    if encoding.max_bytes is not None:
        kind = f"{output} searched"
    elif encoding.progressive:
        kind = "progressive"
    elif output == "webp" and encoding.quality == "lossless":
        kind = "lossless"
    if frames > 1:
        kind = f"{kind} animated"
    found.append([(f"encode {kind}", _megapixels(results) * _ENCODE[kind])])
    return found


def estimate(
    header: ImageHeader,
    operations: Sequence[Operation],
    output: OutputFormat,
    results: Sequence[Size],
) -> Parts:
    """Return the parts of a task at reference prices.

    ``results``: the sizes of its results, of each of their frames.
    """
    parts: dict[str, float] = defaultdict(float)
    fixed, each = _STORE
    parts[STORE] = fixed + _megapixels(results) * each
    for step in steps(header, operations, output, results):
        for name, seconds in step:
            parts[name] += seconds
    return list(parts.items())


def plan(parts: Parts, prices: Prices, timeout: float) -> Work:
    """Return the work of a task with ``parts``; ``timeout``: of one task, in seconds.

    Raises:
        TooMuchWork: it would not end within TASK_TIMEOUT.
    """
    # TASK_TIMEOUT and the places are those of children: slow stores are no work of theirs.
    seconds = prices.seconds([part for part in parts if part[0] != STORE])
    if seconds > timeout * _TIMEOUT_MARGIN:
        raise TooMuchWork(
            f"the work would take about {seconds:.0f} s; a task is ended after {timeout:g} s "
            f"(TASK_TIMEOUT): a picture of {timeout / seconds:.0%} of the pixels passes, and a "
            "faster network or fewer operations take less",
            setting="TASK_TIMEOUT",
            limit=timeout,
            measured=round(seconds),
        )
    return Work(
        parts=list(parts),
        seconds=prices.seconds(parts),
        networks=any(runs_network(name) for name, _ in parts),
        turns=1 + int(seconds // SECONDS_PER_TURN),
        short=seconds <= SHORT_SECONDS,
    )


def listed_prices(catalogue: Catalogue, prices: Prices) -> dict[str, float]:
    """Return the seconds for a million pixels of each part that a task here may have.

    Those of a network are for its input, those of an operation for the larger of its input and
    output, those of ``store`` for a whole task.
    """
    reference = {f"decode {kind}": price for kind, price in _DECODE.items()}
    reference |= {f"encode {kind}": price for kind, price in _ENCODE.items()}
    for op, spec in OPERATIONS.items():
        if not spec.runs_network:  # that of its defaults
            reference[op] = _OPERATION * spec.model_construct().cost()
    reference[STORE] = _STORE[0]
    for weights in catalogue.available():
        op = "upscale" if weights.scale > 1 else "restore"
        reference[network_part(op, weights.name, weights.scale)] = _network_price(weights.name)
        if weights.name == PHOTO and weights.scale > 1:
            auto = network_part(op, AUTO_MODEL, weights.scale)
            reference[auto] = _AUTO
    return {part: round(price * prices.factor(part), 4) for part, price in reference.items()}


def network_part(op: str, model: str, scale: int) -> str:
    """Return the name of the part of a network in the operation ``op``."""
    return f"{op} {model}-x{scale}"


def is_guessed(part: str) -> bool:
    """Whether ``part`` is of a network without a reference price."""
    name = part.partition(" ")[2].rpartition("-x")[0]
    return runs_network(part) and name not in {*_NETWORK, AUTO_MODEL}


def tested_factor(seconds: float) -> float:
    """Return how many times its reference price the bundled network took in a self-test.

    ``seconds``: that it took for a million pixels.
    """
    return seconds / _NETWORK[BUNDLED_MODEL[0]]


def _decoding(header: ImageHeader, operations: Sequence[Operation]) -> tuple[str, float]:
    width, height = header.width, header.height
    kind: str = header.kind if header.kind in _DECODE else "png"
    if kind == "jpeg" and operations:
        least = operations[0].minimum_decode_size(width, height)
        if least is not None and 2 * least[0] <= width and 2 * least[1] <= height:
            kind = "smaller"  # its decoder leaves out half of each side or more
    return f"decode {kind}", _megapixels([(width, height)]) * _DECODE[kind]


def _network_prices(operation: Operation) -> Mapping[str, float]:
    """Return the seconds for a million pixels of each network of ``operation``, by part."""
    if label := operation.network_label():
        return {f"{operation.op} {label}": _AUTO}
    return {
        network_part(operation.op, *each): _network_price(each[0]) for each in operation.networks()
    }


def _network_price(name: str) -> float:
    return _NETWORK.get(name, _OTHER_NETWORK)


def _megapixels(sizes: Sequence[Size]) -> float:
    return sum(width * height for width, height in sizes) / 1_000_000
