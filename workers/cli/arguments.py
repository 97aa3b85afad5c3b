"""What a command line orders: which operations, of which pictures, where to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.images.inspect import FORMAT_OF, Format
from models.operations import Operation, parse
from models.operations.steps import encoding, parts, read
from models.tasks.filenames import result_names

_NO_TASK = "0" * 64  # where names of results are told apart by a fingerprint, there is none here


class Wrong(Exception):
    """The command line asks for what cannot be."""


@dataclass(frozen=True)
class Order:
    """What is wanted: of which pictures, where to, whether over what is there."""

    operations: Sequence[Operation]
    inputs: list[Path]
    target: Path
    folder: bool
    force: bool
    format: Format | None

    @classmethod
    def of(cls, given: argparse.Namespace, limit: int) -> Order:
        """Read the command line.

        Raises:
            Wrong, BadParameter: it asks for what cannot be.
        """
        pictures, output = list(given.pictures), given.output
        if "" in {*pictures, output}:
            raise Wrong("one of the names is empty")
        if output is None:
            if len(pictures) != 2:
                raise Wrong("say where to: IN OUT, or any number of pictures with -o FOLDER")
            output = pictures.pop()
        target = Path(output)
        folder = len(pictures) > 1 or target.is_dir() or output.endswith(os.sep)
        if folder and target.exists() and not target.is_dir():
            raise Wrong(f"{output} is no folder, and there are {len(pictures)} pictures")
        operations = _operations(given, limit)
        asked = getattr(given, "format", None)
        wanted = FORMAT_OF[asked] if asked else None
        if not folder:
            wanted = _agreed(target, operations, wanted)
        return cls(operations, [Path(p) for p in pictures], target, folder, given.force, wanted)

    def targets(self, source: Path, output: Format) -> list[Path]:
        """Return where the results of ``source`` go; several are numbered from 1."""
        count = parts(self.operations)
        numbers = range(1, count + 1) if count > 1 else (0,)
        if self.folder:
            names = [
                next(result_names(source.name, self.operations, output, _NO_TASK, number))
                for number in numbers
            ]
            return [self.target / name for name in names]
        if count == 1:
            return [self.target]
        return [self.target.with_stem(f"{self.target.stem}-{number}") for number in numbers]


def _operations(given: argparse.Namespace, limit: int) -> Sequence[Operation]:
    if given.what == "process":
        return read(given.operations, limit)
    said = {k.removeprefix("op_"): v for k, v in vars(given).items() if k.startswith("op_")}
    return [parse(given.what, {k: v for k, v in said.items() if v is not None})]


def _agreed(target: Path, operations: Sequence[Operation], asked: Format | None) -> Format:
    """Return the format of the one output file, of which everything said must agree."""
    suffix = target.suffix.lower().lstrip(".")
    named = FORMAT_OF.get(suffix)
    if named is None and (suffix or asked is None):
        raise Wrong(f"{target}: the output must end in one of {', '.join(FORMAT_OF)}")
    first = asked or named or "png"
    said = encoding(operations, first).format
    for other in (named, asked):
        if other is not None and other != said:
            raise Wrong(f"{target}: {other} is asked for, and {said} too")
    return said
