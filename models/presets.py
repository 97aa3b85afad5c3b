"""Presets: operations and options of ``POST /process`` under a name, from PRESETS_FILE.

    [shop-photo]
    description = "Square pictures of the shop"
    operations = ["smartcrop=1:1", {op = "resize", width = 800, height = 800}]
    format = "webp"
    max_bytes = 100_000

A preset is expanded before its request is read further: the fingerprint of a task is that of the
operations, so that a changed preset makes other tasks, and equal ones are shared.
"""

from __future__ import annotations

import contextlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import AppError, BadParameter, BadSettings
from models.images.inspect import RESULT_FORMATS, OutputFormat
from models.images.metadata import MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import Operation, parse
from models.operations.spec import Frames
from models.operations.steps import check_format, check_results, final_encoding, read_pipeline
from models.settings.uploads import UploadSettings

NAME_PATTERN = "^[a-z0-9][a-z0-9-]{0,39}$"
NAME_WORDS = "1 to 40 of a-z, 0-9 and -, not beginning with -"
_NAME = re.compile(NAME_PATTERN)
_MAX_FILE_BYTES = 1_000_000  # a preset takes some hundred
_MAX_IN_FILE = 200  # the list is sent with each look at the page
_SHOWN = 60  # characters of a wrong value in an error
_PASSES = {
    "operations": 'send a list of up to 100 of "op", "op=value" or objects with op and parameters',
    "quality": "send a whole number from 1 to 100, or lossless",
    "max_bytes": "send a whole number, 1 or more",
}
"""What a field takes, where pydantic's words are about one of several kinds of value."""


def _as_list(given: Any) -> Any:
    """Return ``given`` as a list of texts and objects; ValueError says what passes."""
    items = given if isinstance(given, list) else [given]
    if items and all(isinstance(each, str | dict) for each in items):
        with contextlib.suppress(TypeError):  # TOML also has dates
            json.dumps(items)
            return items
    raise ValueError(_PASSES["operations"])


Operations = Annotated[list[str | dict[str, Any]], BeforeValidator(_as_list), Field(max_length=100)]


class Preset(BaseModel):
    """What a preset says; the fields that ``POST /process`` has, without those of one request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operations: Operations = Field(
        description='Operations, in order: "op", "op=value" or objects with op and parameters.'
    )
    description: str = Field("", max_length=200, description="What it is for, in a line.")
    format: Literal["png", "jpeg", "jpg", "webp", "avif", "gif", "auto"] | None = Field(
        None, description="Format of the results, as POST /process takes it."
    )
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] | Literal["lossless"] | None = Field(
        None, description="Quality of the results' files, as convert takes it."
    )
    progressive: bool = Field(False, description="Whether results in JPEG are progressive.")
    max_bytes: int | None = Field(None, strict=True, ge=1, description="Most bytes of each result.")
    frames: Frames | None = Field(
        None, description="all: animations are kept, as convert keeps them."
    )
    metadata: MetadataChoice | None = Field(
        None, description="What results keep of the picture's metadata."
    )

    def pipeline(self) -> list[Operation]:
        """Return the operations.

        Raises:
            BadParameter: one is unknown or out of range.
        """
        return read_pipeline([json.dumps(self.operations)], len(self.operations))

    def document(self) -> dict[str, Any]:
        """Return it as JSON, each operation as an object without parameters that are defaults."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        operations = [
            {"op": each.op, **each.model_dump(mode="json", exclude_defaults=True)}
            for each in self.pipeline()
        ]
        return {**said, "operations": operations}

    def fields(self) -> dict[str, str]:
        """Return the fields of the form that say the same."""
        said = {
            "operations": json.dumps(self.operations),
            "format": self.format,
            "quality": self.quality,
            "progressive": "1" if self.progressive else None,
            "max_bytes": self.max_bytes,
            "frames": self.frames,
            "metadata": self.metadata,
        }
        return {name: str(value) for name, value in said.items() if value is not None}

    def check(self, limits: UploadSettings, catalogue: Catalogue) -> None:
        """Return if a picture could be sent with it.

        Raises:
            BadParameter: an operation, or the format with the others, would be refused.
        """
        operations = read_pipeline([json.dumps(self.operations)], limits.max_operations)
        check_results(operations, 1, limits.max_results, limits.max_batch_results)
        for operation in operations:
            operation.weights(catalogue)
        output = self._checked_format(operations)
        options = {"quality": self.quality, "max_bytes": self.max_bytes, "frames": self.frames}
        given = {name: value for name, value in options.items() if value is not None}
        said = final_encoding(operations, output)
        if given or self.progressive or (output == "gif" and said.frames == "first"):
            parse("convert", {"format": output, **given, "progressive": int(self.progressive)})

    def _checked_format(self, operations: Sequence[Operation]) -> OutputFormat:
        """Return the format of the results; where it depends on the picture, one that has most."""
        if self.format not in {None, "auto"}:
            output = RESULT_FORMATS[self.format or ""]
            check_format(operations, output)
            return output
        if self.quality == "lossless" or self.frames == "all":
            return final_encoding(operations, "webp").format
        return final_encoding(operations, "jpeg").format


def parse_preset(name: str, document: Any, limits: UploadSettings, catalogue: Catalogue) -> Preset:
    """Return the preset ``name`` that ``document`` describes.

    Raises:
        BadParameter: the name or a field is not valid; says what would pass.
    """
    check_name(name)
    if not isinstance(document, dict):
        raise BadParameter(
            "a preset is an object with operations; in TOML it begins with its name in brackets, "
            "e.g. [shop-photo]",
            parameter="preset",
        )
    try:
        preset = Preset.model_validate(document)
    except ValidationError as error:
        raise BadParameter(_problem(error), parameter="preset") from None
    preset.check(limits, catalogue)
    return preset


def is_name(text: str) -> bool:
    """Tell whether ``text`` may be the name of a preset."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Return if ``name`` may be that of a preset.

    Raises:
        BadParameter: it may not.
    """
    if not is_name(name):
        raise BadParameter(
            f"{name[:_SHOWN]!a} cannot be the name of a preset: {NAME_WORDS} pass",
            parameter="preset",
        )


def _problem(error: ValidationError) -> str:
    """Return the first problem as a sentence."""
    problem = error.errors(include_url=False)[0]
    name = str(problem["loc"][0])[:_SHOWN]
    known = ", ".join(Preset.model_fields)
    if problem["type"] == "extra_forbidden":
        return f"unknown field {name!a}; known: {known}"
    if problem["type"] == "missing":
        return f'{name} is missing, e.g. operations = ["resize=0.5"]'
    said = _PASSES.get(name) or str(problem["msg"])
    return f"{name}: {said} (got {str(problem['input'])[:_SHOWN]!a})"


def read_file(
    path: Path | None, limits: UploadSettings, catalogue: Catalogue
) -> Mapping[str, Preset]:
    """Return the presets of PRESETS_FILE by name, in their order; None: there are none.

    Raises:
        BadSettings: it cannot be read, or a preset is not valid; names file and preset.
    """
    if path is None:
        return {}
    where = f"PRESETS_FILE={path}"
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise BadSettings(f"{where} has more than {_MAX_FILE_BYTES} bytes")
        documents = tomllib.loads(data.decode("utf-8-sig"))  # some editors begin with a mark
    except OSError as error:
        raise BadSettings(f"{where} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # also what is no UTF-8
        raise BadSettings(f"{where} is not valid TOML: {error}") from None
    if len(documents) > _MAX_IN_FILE:
        raise BadSettings(f"{where} has {len(documents)} presets; at most {_MAX_IN_FILE} pass")
    found = {}
    for name, document in documents.items():
        try:
            found[name] = parse_preset(name, document, limits, catalogue)
        except AppError as error:
            raise BadSettings(f"{where}: preset {name[:_SHOWN]!a}: {error.detail}") from None
    return found
