"""Files below a folder, for paths of strangers: each part is opened in the one before it.

So a link that is swapped in between is not followed. All functions block.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO

DRAFT_PREFIX, DRAFT_SUFFIX = ".darkroom-", ".part"
"""Of the names of files that ``write_file`` has not finished."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not block for ever.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def open_folder(root: int, parts: Iterable[str], *, create: bool = False) -> Iterator[int]:
    """Yield the descriptor of the folder at ``parts`` below the open folder ``root``.

    ``root`` is closed, too. ``create``: missing folders are made.

    Raises:
        OSError: there is no such folder; a part of it is a file, or a link.
    """
    folder = root
    try:
        for part in parts:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
            below = os.open(part, _FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def open_file(name: str, folder: int) -> BinaryIO:
    """Open the file ``name`` in ``folder`` for reading.

    Raises:
        OSError: there is none; it is a link, or no regular file.
    """
    number = os.open(name, _FILE_FLAGS, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(number, "rb")


def create_file(name: str, folder: int, mode: int = 0o644) -> BinaryIO:
    """Create the file ``name`` in ``folder`` for writing; of ``mode`` the umask takes away.

    Raises:
        FileExistsError: it exists. OSError: it cannot be made.
    """
    return os.fdopen(os.open(name, _NEW_FLAGS, mode, dir_fd=folder), "wb")


@contextlib.contextmanager
def write_file(name: str, folder: int, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Yield a file to write; it is renamed to ``name`` when the block ends without an error.

    An existing file is replaced. ``mode``: as of ``create_file``.

    Raises:
        OSError: it cannot be written.
    """
    draft = f"{DRAFT_PREFIX}{secrets.token_hex(8)}{DRAFT_SUFFIX}"
    try:
        with create_file(draft, folder, mode) as file:
            yield file
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        raise
