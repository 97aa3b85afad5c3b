"""Parse a command line: operations, inputs, output."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.images.inspect import FORMAT_BY_EXTENSION, OutputFormat
from models.operations import Operation, parse
from models.operations.steps import encoding, parts, read
from models.tasks.filenames import result_names

_NO_FINGERPRINT = (
    "0" * 64
)  # where names of results are told apart by a fingerprint, there is none here


class UsageError(Exception):
    """The command line is invalid."""


@dataclass(frozen=True)
class ParsedCommand:
    """A parsed command line: operations, inputs, target, whether to overwrite."""

    operations: Sequence[Operation]
    inputs: list[Path]
    target: Path
    folder: bool
    force: bool
    format: OutputFormat | None

    @classmethod
    def from_arguments(cls, given: argparse.Namespace, limit: int) -> ParsedCommand:
        """Read the command line.

        Raises:
            UsageError, BadParameter: it is invalid.
        """
        pictures, output = list(given.pictures), given.output
        if "" in {*pictures, output}:
            raise UsageError("one of the names is empty")
        if output is None:
            if len(pictures) != 2:
                raise UsageError("say where to: IN OUT, or any number of pictures with -o FOLDER")
            output = pictures.pop()
        target = Path(output)
        folder = len(pictures) > 1 or target.is_dir() or output.endswith(os.sep)
        if folder and target.exists() and not target.is_dir():
            raise UsageError(f"{output} is no folder, and there are {len(pictures)} pictures")
        operations = _operations(given, limit)
        asked = getattr(given, "format", None)
        wanted = FORMAT_BY_EXTENSION[asked] if asked else None
        if not folder:
            wanted = _output_format(target, operations, wanted)
        return cls(operations, [Path(p) for p in pictures], target, folder, given.force, wanted)

    def targets(self, source: Path, output: OutputFormat) -> list[Path]:
        """Return the result paths for ``source``; several are numbered from 1."""
        count = parts(self.operations)
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
        return read(given.operations, limit)
    said = {k.removeprefix("op_"): v for k, v in vars(given).items() if k.startswith("op_")}
    return [parse(given.command, {k: v for k, v in said.items() if v is not None})]


def _output_format(
    target: Path, operations: Sequence[Operation], requested: OutputFormat | None
) -> OutputFormat:
    """Return the format of the one output file; suffix, --format and operations must agree."""
    suffix = target.suffix.lower().lstrip(".")
    named = FORMAT_BY_EXTENSION.get(suffix)
    if named is None and (suffix or requested is None):
        raise UsageError(
            f"{target}: the output must end in one of {', '.join(FORMAT_BY_EXTENSION)}"
        )
    first = requested or named or "png"
    said = encoding(operations, first).format
    for other in (named, requested):
        if other is not None and other != said:
            raise UsageError(f"{target}: {other} is asked for, and {said} too")
    return said
