"""Files below IMAGES_ROOT, by paths from strangers: none leads out, whatever it is made of."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from models.errors import BadParameter

_LONGEST = 1024  # characters of a path
_LONGEST_NAME = 240  # bytes of a file's name; 255 is what file systems take, and parts add "_1"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a pipe somebody laid there must not hold a thread.
_INPUT = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """One folder and what lies below it.

    Links are resolved first and the answer held against the root; then every part is opened from
    the one above it without following links, so that what is swapped in between is not followed.
    All calls block: make them off the event loop.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def open(self, path: str) -> BinaryIO:
        """Open the file ``path`` for reading.

        Raises:
            BadParameter: it leads out of the folder.
            FileNotFoundError: there is no such file.
        """
        *above, name = self._parts(path)
        with self._inside(above, create=False) as folder:
            try:
                number = os.open(name, _INPUT, dir_fd=folder)
            except OSError as error:
                raise FileNotFoundError(f"no file {path[:80]!a}") from error
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise FileNotFoundError(f"{path[:80]!a} is no file")
        return os.fdopen(number, "rb")

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Give a file to write; it becomes ``path``, whole, when the block ends without an error.

        Folders on the way are made. What was there before is replaced.

        Raises:
            BadParameter: it leads out of the folder.
            OSError: it cannot be written there.
        """
        *above, name = self._parts(path)
        with self._inside(above, create=True) as folder:
            draft = f".darkroom-{secrets.token_hex(8)}.part"
            number = os.open(draft, _OUTPUT, 0o644, dir_fd=folder)
            try:
                with os.fdopen(number, "wb") as file:
                    yield file
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(draft, dir_fd=folder)
                raise

    def check_input(self, path: str) -> None:
        """Refuse a path that leads out of the folder.

        Raises:
            BadParameter: it does, or it is no path at all.
        """
        self._parts(path)

    def check_output(self, path: str) -> None:
        """Refuse a path at which no file can be written.

        Raises:
            BadParameter: it leads out, through what is no folder, is one, or has too long a name.
        """
        parts = self._parts(path)
        longest = max(len(os.fsencode(part)) for part in parts)
        if longest > _LONGEST_NAME:
            raise BadParameter(
                f"a name in {path[:80]!a} has {longest} bytes; at most {_LONGEST_NAME} are taken",
                limit=_LONGEST_NAME,
                measured=longest,
            )
        place = self._root
        for part in parts[:-1]:
            place /= part
            if place.exists() and not place.is_dir():
                raise BadParameter(f"the output {path[:80]!a} leads through what is no folder")
        if (place / parts[-1]).is_dir():
            raise BadParameter(f"the output {path[:80]!a} is a folder; give a file")

    def _parts(self, path: str) -> tuple[str, ...]:
        shown = f"{path[:80]!a}"
        if not path or len(path) > _LONGEST or "\0" in path:
            raise BadParameter(f"{shown} is no path; at most {_LONGEST} characters", limit=_LONGEST)
        if path.startswith(("/", "\\")) or PurePosixPath(path).is_absolute() or ":" in path[:2]:
            raise BadParameter(f"the path {shown} is absolute; give one below IMAGES_ROOT")
        try:
            real = Path(os.path.realpath(self._root / path))
            parts = real.relative_to(self._root).parts
        except (OSError, ValueError):
            parts = ()
        if not parts:
            raise BadParameter(f"the path {shown} leads out of IMAGES_ROOT; give one below it")
        return parts

    @contextlib.contextmanager
    def _inside(self, parts: list[str], *, create: bool) -> Iterator[int]:
        """Give the open folder at ``parts``, each opened from the one above."""
        number = os.open(self._root, _DIRECTORY)
        try:
            for part in parts:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=number)
                below = os.open(part, _DIRECTORY, dir_fd=number)
                os.close(number)
                number = below
            yield number
        finally:
            os.close(number)
