"""Where results and failures of a watched folder go: the sub-folders stay."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models.errors import BadParameter
from models.images.inspect import EXTENSIONS, FORMAT_BY_EXTENSION, OutputFormat
from workers.watching.record import Record

_PREFIX = ".darkroom-"
_SUFFIX = ".part"
_UMASK = os.umask(0)  # it can only be read by setting it, which no other thread may see
os.umask(_UMASK)


def targets(source: Path, output: OutputFormat, count: int, record: Record) -> list[Path]:
    """Return the paths of the ``count`` results of ``source``, below the folder of results.

    cat.jpg becomes cat.jpg, or cat.webp in another format; cat.jpg.webp where another file has that
    name; cat-1.jpg and so on where there are several.

    Raises:
        BadParameter: files that are not this source's results have all these names.
    """
    extension = EXTENSIONS[output]
    for base, single in (
        (source.stem, _suffixed(source, output)),
        (source.name, f"{source.name}.{extension}"),
    ):
        names = [f"{base}-{n}.{extension}" for n in range(1, count + 1)] if count > 1 else [single]
        found = [source.with_name(name) for name in names]
        if all(record.may_write(each, source) for each in found):
            return found
    raise BadParameter(
        f"{found[0]} exists in the folder of results, and was not made of this file: move one of "
        "them away, or give this file another name"
    )


def _suffixed(source: Path, output: OutputFormat) -> str:
    """Return the name with the extension of ``output``; its own, however spelt, if it is one."""
    if FORMAT_BY_EXTENSION.get(source.suffix.lower().lstrip(".")) == output:
        return source.name
    return f"{source.stem}.{EXTENSIONS[output]}"


def place(results: Sequence[str], paths: Sequence[Path], root: Path) -> None:
    """Copy files to ``paths`` below ``root``; each appears there whole, in one step.

    Raises:
        OSError: one cannot be written.
    """
    for result, path in zip(results, paths, strict=True):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(_SUFFIX, _PREFIX, target.parent)
        try:
            with os.fdopen(number, "wb") as to, Path(result).open("rb") as file:
                shutil.copyfileobj(file, to)
            Path(name).chmod(0o666 & ~_UMASK)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink()
            raise


def remove_unfinished(root: Path) -> None:
    """Remove what ``place`` of a killed watcher left below ``root``."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                (Path(folder) / name).unlink()


def move_aside(root: Path, source: Path, failed: Path, reason: str) -> Path:
    """Move the file ``source`` below ``root`` to ``failed``, and write ``reason`` beside it.

    Raises:
        OSError: it cannot be moved.
    """
    target = failed / source
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while os.path.lexists(target):
        number += 1
        target = failed / source.with_name(f"{source.stem}-{number}{source.suffix}")
    shutil.move(root / source, target)
    Path(f"{target}.txt").write_text(f"{reason}\n", encoding="utf-8", errors="replace")
    return target
