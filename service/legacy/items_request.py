"""An order of the older JSON batch processor: which files below IMAGES_ROOT become which."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from models.errors import BadParameter
from models.images.inspect import FORMAT_OF, Format
from models.settings import Settings
from service.http.json_body import at_most, validated
from service.legacy.images_root import Folder

_EXAMPLE = '{"images": [{"input": "a.png", "output": "b.png"}], "operations": ["resize=2"]}'


class Image(BaseModel):
    """One picture: where it lies and where its results go, both below IMAGES_ROOT."""

    model_config = ConfigDict(extra="ignore")
    input: str
    output: str


class Order(BaseModel):
    """What the older service took."""

    model_config = ConfigDict(extra="ignore")
    images: Annotated[list[Image], FailFast()] = Field(min_length=1)
    operations: Annotated[list[str], FailFast()] = []


def read_order(document: Any, settings: Settings) -> Order:
    """Return the order that ``document`` is.

    Raises:
        BadRequest: it is none. BadParameter: it asks for more than a limit allows.
    """
    order = validated(Order, document, _EXAMPLE)
    at_most(len(order.images), settings.max_batch, "images", "MAX_BATCH")
    at_most(len(order.operations), settings.max_operations, "operations", "MAX_OPERATIONS")
    return order


def check(order: Order, folder: Folder, count: int) -> None:
    """Refuse paths that lead out, and outputs that cannot be, before anything is done.

    ``count``: how many results each picture has.

    Raises:
        BadParameter: one is wrong.
    """
    taken: dict[str, int] = {}
    for number, image in enumerate(order.images, 1):
        folder.check_input(image.input)
        folder.check_output(image.output)
        format_of(image.output)
        for target in targets_of(image.output, count):
            if taken.setdefault(target, number) != number:
                raise BadParameter(
                    f"image {number} would overwrite a result of image {taken[target]}: "
                    f"{target[:80]!a}; give each its own output"
                )


def targets_of(output: str, count: int) -> list[str]:
    """Return where the results of one picture go: several are numbered ``_1``, ``_2``, ..."""
    path = PurePosixPath(output)
    if count == 1:
        return [str(path)]
    return [str(path.with_stem(f"{path.stem}_{part}")) for part in range(1, count + 1)]


def format_of(path: str) -> Format:
    """Return the format that a file name asks for.

    Raises:
        BadParameter: none that is written.
    """
    suffix = PurePosixPath(path).suffix.lower().lstrip(".")
    if suffix not in FORMAT_OF:
        raise BadParameter(
            f"the output {path[:80]!a} must end in one of {', '.join(FORMAT_OF)}",
            known=list(FORMAT_OF),
        )
    return FORMAT_OF[suffix]
