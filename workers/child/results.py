"""What a child made, taken from it as from a stranger: a picture may have taken it over.

So it names no file but those in its own folder, and nothing it says of them is believed: they are
copied, and it is the copy that is looked at, hashed and published.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import AppError
from models.images.inspect import Format, inspect
from workers.child.protocol import Answer, Defect, Failed, Line, Made
from workers.child.request import Request

_STEP = 1 << 20  # bytes copied at once


class Strange(ValueError):
    """No child of ours answers this."""


def taken(line: Line, request: Request, own: Path) -> dict[str, Any]:
    """Return the answer to ``request``, with copies in its folder of the files in ``own``.

    Raises:
        Strange: it is no answer to that, or names what is no file of the child's, or not what it
            says it is.
        OSError: a copy cannot be written.
    """
    if isinstance(line, Failed | Defect):
        return line.model_dump()
    if not isinstance(line, Answer):
        raise Strange("no answer")
    if len(line.results) != request.results:
        raise Strange(f"{len(line.results)} results of {request.results}")
    if not line.kept.keys() <= {str(count) for count in request.keep}:
        raise Strange("what nobody wanted kept")
    if (line.report is not None) != request.report:
        raise Strange("a report that nobody wanted, or none")
    made = [(each, request.format) for each in line.results]
    made += [(each, "png") for each in line.kept.values()]
    for number, (each, kind) in enumerate(made, 1):
        _take(each, kind, own, Path(request.folder) / f"taken-{number}")
    return line.model_dump()


def _take(made: Made, kind: Format, own: Path, copy: Path) -> None:
    path = Path(made.path)
    if path.parent != own or path.name in {"", ".."} or "\0" in path.name:
        raise Strange("a file outside the child's folder")
    with _opened(path) as file, copy.open("wb") as to:
        made.bytes, sha256 = _copied(file, to)
    with suppress(OSError):
        path.unlink()  # not twice on the disk for longer than this takes
    if sha256 != made.sha256:
        raise Strange("other bytes than their SHA-256 says")
    try:
        with copy.open("rb") as file:
            header = inspect(file, (kind,))
    except AppError as error:
        raise Strange(f"no {kind}: {error.detail}") from None
    if (header.width, header.height) != (made.width, made.height):
        raise Strange(f"{header.width} x {header.height}, not {made.width} x {made.height}")
    made.path = str(copy)


def _opened(path: Path) -> BinaryIO:
    try:
        # A link would give away what it points at; to open a pipe takes until somebody writes.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Strange(f"a file that is not there: {error.strerror}") from None
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(file)
        raise Strange("a link or a device in place of a file")
    return os.fdopen(file, "rb")


def _copied(file: BinaryIO, to: BinaryIO) -> tuple[int, str]:
    """Copy a file; return its length and SHA-256.

    A child may still hold the file open, and write to it or shorten it while it is looked at.
    """
    left, digest = os.fstat(file.fileno()).st_size, hashlib.sha256()
    size = 0
    while size < left and (data := file.read(min(_STEP, left - size))):
        digest.update(data)
        to.write(data)
        size += len(data)
    return size, digest.hexdigest()


def cleared(folder: Path) -> None:
    """Delete whatever lies in ``folder``, name by name: there may be millions."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)  # noqa: PTH108 -- Path would keep each name in memory


def removed(folder: Path) -> None:
    """Delete ``folder`` with whatever lies in it, if it is there."""
    with suppress(OSError):
        cleared(folder)
        folder.rmdir()
