"""One task's pixels: decode once, every operation in order, encode once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.catalogue import Catalogue
from models.image import EXTENSIONS, Format, check_pixels
from models.operations import Operation
from workers import codec
from workers.operations import Tools, run


@dataclass(frozen=True)
class Limits:
    """What the pipeline holds a picture to; see the settings of the same names."""

    max_pixels: int
    max_output_pixels: int
    tile_pixels: int


@dataclass(frozen=True)
class Output:
    """A finished file on disk; sides in pixels."""

    path: str
    width: int
    height: int
    bytes: int
    sha256: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


def process(
    source: Path,
    folder: Path,
    operations: Sequence[Operation],
    output: Format,
    catalogue: Catalogue,
    limits: Limits,
    progress: Callable[[float], None],
) -> list[Output]:
    """Run ``operations`` over the picture file ``source`` and write the results into ``folder``.

    ``progress`` is called with the share of all operations done, 0 to 1.

    Raises:
        AppError: the picture or a parameter is at fault; trying again would not help.
    """
    picture = codec.decode(source, limits.max_pixels)
    for index, spec in enumerate(operations):
        check_pixels(
            *spec.output_size(picture.width, picture.height),
            limits.max_output_pixels,
            what=f"the result of {spec.op}",
            setting="MAX_OUTPUT_PIXELS",
        )

        def step(share: float, before: int = index) -> None:
            progress((before + share) / len(operations))

        picture = run(picture, spec, Tools(catalogue, limits.tile_pixels, step))
    data = codec.encode(picture, output)
    path = folder / f"result.{EXTENSIONS[output]}"
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return [Output(str(path), picture.width, picture.height, len(data), sha256)]
