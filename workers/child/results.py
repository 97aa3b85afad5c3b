"""Collect the files that a child wrote; untrusted, since an image may have taken it over.

It can name only files in its own folder, and nothing it reports about them is trusted: they are
copied, and the copy is inspected, hashed and published.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import AppError, BadImage
from models.images import jpeg, png
from models.images.inspect import OutputFormat, result_size
from workers.child.protocol import Defect, Failed, Message, Succeeded, WrittenFile
from workers.child.request import Request

_FEW_FILES = 16  # that are looked at and deleted without a thread
_COPY_CHUNK_BYTES = 1 << 20  # bytes copied at once
_ENDS = {"png": png.END_CHUNK, "jpeg": jpeg.END_MARKER}


class ProtocolError(ValueError):
    """A child sent what a sound one never sends."""


def collect(
    message: Message, request: Request, child_folder: Path, most_bytes: float = math.inf
) -> dict[str, Any]:
    """Return the final message for ``request``; copy its files from ``child_folder`` to the task's.

    ``most_bytes``: of a file; a larger one has grown since its bytes were counted.

    Raises:
        ProtocolError: the message does not match the request, names a file that is not the child's,
            or describes one wrongly.
        OSError: a copy cannot be written.
    """
    if isinstance(message, Failed | Defect):
        return message.model_dump()
    if not isinstance(message, Succeeded):
        raise ProtocolError("not a final message")
    if len(message.results) != request.result_count:
        raise ProtocolError(f"{len(message.results)} results instead of {request.result_count}")
    if not message.kept.keys() <= {str(count) for count in request.keep}:
        raise ProtocolError("an intermediate result that was not requested")
    if (message.report is not None) != request.report:
        raise ProtocolError("a report that was not requested, or a missing one")
    made = [(written, request.format) for written in message.results]
    made += [(written, "png") for written in message.kept.values()]
    for number, (written, kind) in enumerate(made, 1):
        copy = Path(request.folder) / f"collect-{number}"
        _collect_file(written, kind, child_folder, copy, request.frames, most_bytes)
    return message.model_dump()


def _collect_file(
    made: WrittenFile,
    kind: OutputFormat,
    child_folder: Path,
    copy: Path,
    frames: int,
    most_bytes: float,
) -> None:
    path = Path(made.path)
    if path.parent != child_folder or path.name in {"", ".."} or "\0" in path.name:
        raise ProtocolError("a file outside the child's folder")
    with _open_regular(path) as file, copy.open("wb") as to:
        made.bytes, sha256 = _copy(file, to, most_bytes)
    with suppress(OSError):
        path.unlink()  # keeps two copies on disk as briefly as possible
    if sha256 != made.sha256:
        raise ProtocolError("a SHA-256 that does not match the bytes")
    try:
        with copy.open("rb") as file:
            width, height = result_size(file, kind, frames)
            _check_end(file, kind)
    except AppError as error:
        raise ProtocolError(f"not a {kind} file: {error.detail}") from None
    if (width, height) != (made.width, made.height):
        raise ProtocolError(f"{width} x {height}, not {made.width} x {made.height}")
    made.path = str(copy)


def _check_end(file: BinaryIO, kind: OutputFormat) -> None:
    """Check that the file is whole: uploads may lack their end, what a child wrote may not.

    Raises:
        BadImage: its end is missing. That of a WebP is checked with its header.
    """
    end = _ENDS.get(kind, b"")
    file.seek(-len(end), os.SEEK_END)
    if file.read() != end:
        raise BadImage("its end is missing")


def _open_regular(path: Path) -> BinaryIO:
    try:
        # A link would expose its target; opening a pipe would block until a writer opens it.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ProtocolError(f"a file that cannot be opened: {error.strerror}") from None
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(file)
        raise ProtocolError("not a regular file with one link")
    return os.fdopen(file, "rb")


def _copy(file: BinaryIO, to: BinaryIO, most_bytes: float) -> tuple[int, str]:
    """Copy a file; return its length in bytes and its SHA-256.

    A child may still have the file open, and write to it or shorten it meanwhile.
    """
    left, digest = os.fstat(file.fileno()).st_size, hashlib.sha256()
    if left > most_bytes:
        raise ProtocolError(f"a file of {left} bytes, where all had {most_bytes:.0f}")
    size = 0
    while size < left and (data := file.read(min(_COPY_CHUNK_BYTES, left - size))):
        digest.update(data)
        to.write(data)
        size += len(data)
    return size, digest.hexdigest()


def bytes_in(folder: Path) -> float:
    """Return the bytes of the files in ``folder``; infinite if it has many, or other entries."""
    size = 0
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                status = entry.stat(follow_symlinks=False)
                if number == _FEW_FILES or not stat.S_ISREG(status.st_mode):
                    return math.inf
                size += status.st_size
    except OSError:  # e.g. what a child has just deleted
        return math.inf
    return size


def clear_folder(folder: Path) -> None:
    """Delete all entries of ``folder``, one by one: there may be millions."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)  # noqa: PTH108 -- Path would keep each name in memory


def remove_folder(folder: Path) -> None:
    """Delete ``folder`` and its contents if it exists."""
    with suppress(OSError):
        clear_folder(folder)
        folder.rmdir()
