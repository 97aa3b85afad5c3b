"""Where results and failures of a watched folder go: the sub-folders stay."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from itertools import count as count_from
from pathlib import Path

from models.errors import BadParameter
from models.files_below import (
    DRAFT_PREFIX,
    DRAFT_SUFFIX,
    create_file,
    open_file,
    open_folder,
    write_file,
)
from models.images.inspect import EXTENSIONS, FORMAT_BY_EXTENSION, OutputFormat
from workers.watching.record import Record

_RESULT_MODE = 0o666  # others may be meant to change results, as the umask says
_REASON = ".txt"
_MAX_SUFFIX = 10  # characters; a longer one is no name of a format


def targets(source: Path, output: OutputFormat, count: int, record: Record) -> list[Path]:
    """Return the paths of the ``count`` results of ``source``, below the folder of results.

    cat.jpg becomes cat.jpg, or cat.webp in another format; cat.jpg.webp where another file has that
    name; cat-1.jpg and so on where there are several.

    Raises:
        BadParameter: files that are not this source's results have all these names, or the folder
            takes none so long.
    """
    most = _longest_name(record.root)
    extension = EXTENSIONS[output]
    for base, single in (
        (source.stem, _suffixed(source, output)),
        (source.name, f"{source.name}.{extension}"),
    ):
        names = [f"{base}-{n}.{extension}" for n in range(1, count + 1)] if count > 1 else [single]
        found = [source.with_name(name) for name in names]
        if (longest := max(len(os.fsencode(name)) for name in names)) > most:
            raise BadParameter(
                f"the result would have a name of {longest} bytes; the folder takes at most {most}:"
                " give this file a shorter name",
                limit=most,
                measured=longest,
            )
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
        OSError: one cannot be written; a link below ``root`` is not followed.
    """
    root.mkdir(parents=True, exist_ok=True)
    for result, path in zip(results, paths, strict=True):
        with (
            Path(result).open("rb") as file,
            open_folder(_opened(root), path.parent.parts, create=True) as folder,
            write_file(path.name, folder, _RESULT_MODE) as to,
        ):
            shutil.copyfileobj(file, to)


def remove_unfinished(root: Path) -> None:
    """Remove what ``place`` of a killed watcher left below ``root``."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(DRAFT_PREFIX) and name.endswith(DRAFT_SUFFIX):
                (Path(folder) / name).unlink()


def move_aside(root: Path, source: Path, failed: Path, reason: str) -> Path:
    """Move the file ``source`` below ``root`` to ``failed``, and write ``reason`` beside it.

    Neither replaces a file. Those who put files below ``root`` may plant links in ``failed``, which
    may be there, too: a file that is moved must not come to lie elsewhere.

    Raises:
        OSError: it cannot be moved, or its folder or that in ``failed`` is a link.
    """
    at, parts = failed, source.parent.parts
    with contextlib.suppress(ValueError):  # failed is not below root
        # Not resolved: that would follow the links.
        below = Path.cwd().joinpath(failed).relative_to(Path.cwd() / root)
        at, parts = root, (*below.parts, *parts)
    at.mkdir(parents=True, exist_ok=True)
    with (
        open_folder(_opened(root), source.parent.parts) as from_folder,
        open_folder(_opened(at), parts, create=True) as folder,
    ):
        name, note = _reserve(source, folder)
        try:
            _move(source.name, from_folder, name, folder)
        except BaseException:
            for each in (name, note):
                os.unlink(each, dir_fd=folder)
            raise
        with write_file(note, folder) as file:
            file.write(f"{reason}\n".encode(errors="replace"))
    return failed / source.with_name(name)


def _reserve(source: Path, folder: int) -> tuple[str, str]:
    """Make two empty files for ``source`` and its reason; return their names."""
    most = _longest_name(folder) - len(_REASON)
    stem, suffix = source.stem, source.suffix
    if len(suffix) > _MAX_SUFFIX:
        stem, suffix = source.name, ""
    for number in count_from(1):
        end = f"-{number}{suffix}"
        name = source.name if number == 1 else _cut(stem, most - len(os.fsencode(end))) + end
        note = _cut(name, most) + _REASON
        with contextlib.suppress(FileExistsError):
            create_file(name, folder).close()
            try:
                create_file(note, folder).close()
            except BaseException:
                os.unlink(name, dir_fd=folder)
                raise
            return name, note
    raise AssertionError("numbers do not end")


def _move(name: str, from_folder: int, new_name: str, folder: int) -> None:
    try:
        os.rename(name, new_name, src_dir_fd=from_folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with open_file(name, from_folder) as file, write_file(new_name, folder) as copy:
            shutil.copyfileobj(file, copy)
        os.unlink(name, dir_fd=from_folder)


def _cut(name: str, most: int) -> str:
    """Return the beginning of ``name`` that takes at most ``most`` bytes."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def _longest_name(folder: Path | int) -> int:
    """Return the most bytes of a name in ``folder``."""
    return os.pathconf(folder, "PC_NAME_MAX")


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
