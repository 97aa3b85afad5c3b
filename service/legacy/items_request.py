"""The JSON body of POST /items/: inputs and outputs below IMAGES_ROOT, and operations."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, FailFast, Field

from models.errors import BadParameter
from models.images.inspect import FORMAT_BY_EXTENSION, OutputFormat
from models.images.metadata import METADATA, MetadataChoice
from models.settings.uploads import UploadSettings
from service.http.request_body import check_limit, validate
from service.legacy.images_root import ImagesRoot

_EXAMPLE = '{"images": [{"input": "a.png", "output": "b.png"}], "operations": ["resize=2"]}'


class ItemsImage(BaseModel):
    """One image: the paths of its input and output, both below IMAGES_ROOT."""

    model_config = ConfigDict(extra="ignore")
    input: str
    output: str


class ItemsRequest(BaseModel):
    """The body that the older service accepted, and which metadata results keep."""

    model_config = ConfigDict(extra="ignore")
    images: Annotated[list[ItemsImage], FailFast()] = Field(min_length=1)
    operations: Annotated[list[str], FailFast()] = []
    metadata: str = Field(
        "",
        max_length=20,
        description=METADATA,
        json_schema_extra={"enum": [*get_args(MetadataChoice), ""]},
    )


def read_items_request(document: Any, settings: UploadSettings) -> ItemsRequest:
    """Return ``document`` as an items request.

    Raises:
        BadRequest: it is malformed. BadParameter: it exceeds a limit.
    """
    order = validate(ItemsRequest, document, _EXAMPLE)
    check_limit(len(order.images), settings.max_batch, "images", "MAX_BATCH")
    check_limit(len(order.operations), settings.max_operations, "operations", "MAX_OPERATIONS")
    return order


def check_paths(order: ItemsRequest, folder: ImagesRoot, count: int) -> None:
    """Return if all paths are inside IMAGES_ROOT and all outputs can be written.

    ``count``: the number of results of each image.

    Raises:
        BadParameter: one is not.
    """
    taken: dict[str, int] = {}
    for number, image in enumerate(order.images, 1):
        folder.parts(image.input)
        folder.check_output(image.output)
        output_format(image.output)
        for target in result_paths(image.output, count):
            if taken.setdefault(target, number) != number:
                raise BadParameter(
                    f"image {number} would overwrite a result of image {taken[target]}: "
                    f"{target[:80]!a}; give each its own output"
                )


def result_paths(output: str, count: int) -> list[str]:
    """Return the paths of the results of one image: several are numbered ``_1``, ``_2``, ..."""
    path = PurePosixPath(output)
    if count == 1:
        return [str(path)]
    return [str(path.with_stem(f"{path.stem}_{part}")) for part in range(1, count + 1)]


def output_format(path: str) -> OutputFormat:
    """Return the format that the extension of ``path`` means.

    Raises:
        BadParameter: not an output format.
    """
    suffix = PurePosixPath(path).suffix.lower().lstrip(".")
    if suffix not in FORMAT_BY_EXTENSION:
        raise BadParameter(
            f"the output {path[:80]!a} must end in one of {', '.join(FORMAT_BY_EXTENSION)}",
            known=list(FORMAT_BY_EXTENSION),
        )
    return FORMAT_BY_EXTENSION[suffix]
