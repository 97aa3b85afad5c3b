"""Parse a command line: operations, inputs, output."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.images.inspect import FORMAT_BY_EXTENSION, RESULT_FORMATS, OutputFormat
from models.images.metadata import MetadataChoice
from models.operations import Operation, parse
from models.operations.steps import final_encoding, read_pipeline, result_count
from models.operations.watermark import FIELD
from models.tasks.filenames import result_names
from workers.cli import watermark_file

_NO_FINGERPRINT = "0" * 64  # of local files, which have none; result_names() may add it


class UsageError(Exception):
    """The command line is invalid."""


@dataclass(frozen=True)
class ParsedCommand:
    """A parsed command line.

    ``target``: the output file, or the output folder if ``folder``. ``force``: overwrite files.
    ``format``: of the results; None: as each input. ``metadata``: what they keep of it.
    ``watermark``: the picture of a watermark.
    """

    operations: Sequence[Operation]
    inputs: list[Path]
    target: Path
    folder: bool
    force: bool
    format: OutputFormat | None
    metadata: MetadataChoice
    watermark: Path | None = None

    @classmethod
    def from_arguments(cls, given: argparse.Namespace, limit: int) -> ParsedCommand:
        """Read the command line.

        Raises:
            UsageError, BadParameter: it is invalid.
            AppError: the picture of a watermark is not fit.
        """
        pictures, output = list(given.pictures), given.output
        if "" in {*pictures, output}:
            raise UsageError("a file name is empty")
        if output is None:
            if len(pictures) != 2:
                raise UsageError("no output: use IN OUT, or any number of pictures with -o FOLDER")
            output = pictures.pop()
        target = Path(output)
        folder = len(pictures) > 1 or target.is_dir() or output.endswith(os.sep)
        if folder and target.exists() and not target.is_dir():
            raise UsageError(
                f"{output} is not a folder, but the output must be one (pictures: {len(pictures)})"
            )
        second = getattr(given, FIELD, None)
        watermark = None if second is None else Path(second)
        operations = watermark_file.resolve(_operations(given, limit), watermark)
        extension = getattr(given, "format", None)
        output_format = FORMAT_BY_EXTENSION[extension] if extension else None
        if not folder:
            output_format = _output_format(target, operations, output_format)
        inputs = [Path(picture) for picture in pictures]
        options = given.force, output_format, given.metadata, watermark
        return cls(operations, inputs, target, folder, *options)

    def targets(self, source: Path, output: OutputFormat) -> list[Path]:
        """Return the result paths for ``source``; several are numbered from 1."""
        count = result_count(self.operations)
        numbers = range(1, count + 1) if count > 1 else (0,)
        if self.folder:
            names = [
                next(result_names(source.name, self.operations, output, _NO_FINGERPRINT, number))
                for number in numbers
            ]
            return [self.target / name for name in names]
        if count == 1:
            return [self.target]
        return [self.target.with_stem(f"{self.target.stem}-{number}") for number in numbers]


def _operations(given: argparse.Namespace, limit: int) -> Sequence[Operation]:
    if given.command == "process":
        return read_pipeline(given.operations, limit)
    values = {k.removeprefix("op_"): v for k, v in vars(given).items() if k.startswith("op_")}
    if getattr(given, FIELD, None) is not None:
        values["picture"] = FIELD
    return [parse(given.command, {k: v for k, v in values.items() if v is not None})]


def _output_format(
    target: Path, operations: Sequence[Operation], requested: OutputFormat | None
) -> OutputFormat:
    """Return the format of the one output file; suffix, --format and operations must agree."""
    suffix = target.suffix.lower().lstrip(".")
    animated = final_encoding(operations, requested or "png").format == "gif"
    known = RESULT_FORMATS if animated else FORMAT_BY_EXTENSION
    from_suffix = known.get(suffix)
    if from_suffix is None and (suffix or requested is None):
        raise UsageError(f"{target}: the output name must end in one of {', '.join(known)}")
    default = requested or from_suffix or "png"
    written = final_encoding(operations, default).format
    for other in (from_suffix, requested):
        if other is not None and other != written:
            raise UsageError(f"{target}: conflicting formats, {other} and {written}")
    return written
