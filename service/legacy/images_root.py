"""ImagesRoot: safe access to files below IMAGES_ROOT (openat, O_NOFOLLOW), no path traversal."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from models.errors import BadParameter

_MAX_PATH_CHARACTERS = 1024
_MAX_NAME_BYTES = 240  # file systems allow 255; the results of split append "_1"
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not block a thread.
_INPUT_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_OUTPUT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ImagesRoot:
    """A folder and the files below it.

    A path is resolved and must lie below the root; then each part is opened relative to its parent
    without following links, so that a link swapped in between is not followed. All methods block:
    call them in a thread.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def open(self, path: str) -> BinaryIO:
        """Open the file ``path`` for reading.

        Raises:
            BadParameter: it is outside the folder.
            FileNotFoundError: there is no such file.
        """
        *above, name = self.parts(path)
        with self._open_directory(above, create=False) as folder:
            try:
                number = os.open(name, _INPUT_FLAGS, dir_fd=folder)
            except OSError as error:
                raise FileNotFoundError(f"no file {path[:80]!a}") from error
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise FileNotFoundError(f"{path[:80]!a} is not a file")
        return os.fdopen(number, "rb")

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Yield a file to write; it is renamed to ``path`` when the block ends without an error.

        Missing folders are created. An existing file is replaced.

        Raises:
            BadParameter: it is outside the folder.
            OSError: it cannot be written.
        """
        *above, name = self.parts(path)
        with self._open_directory(above, create=True) as folder:
            draft = f".darkroom-{secrets.token_hex(8)}.part"
            number = os.open(draft, _OUTPUT_FLAGS, 0o644, dir_fd=folder)
            try:
                with os.fdopen(number, "wb") as file:
                    yield file
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(draft, dir_fd=folder)
                raise

    def check_output(self, path: str) -> None:
        """Return if a file can be written at ``path``.

        Raises:
            BadParameter: it is outside, below a file, a folder, or has too long a name.
        """
        parts = self.parts(path)
        longest = max(len(os.fsencode(part)) for part in parts)
        if longest > _MAX_NAME_BYTES:
            raise BadParameter(
                f"a name in {path[:80]!a} has {longest} bytes; the maximum is {_MAX_NAME_BYTES}",
                limit=_MAX_NAME_BYTES,
                measured=longest,
            )
        place = self._root
        for part in parts[:-1]:
            place /= part
            if place.exists() and not place.is_dir():
                raise BadParameter(f"the output {path[:80]!a} is below a file, not a folder")
        if (place / parts[-1]).is_dir():
            raise BadParameter(f"the output {path[:80]!a} is a folder; give a file")

    def parts(self, path: str) -> tuple[str, ...]:
        """Return the names of the folders to ``path`` below the folder, and its own.

        Raises:
            BadParameter: it is invalid, or outside the folder.
        """
        shown = f"{path[:80]!a}"
        if not path or len(path) > _MAX_PATH_CHARACTERS or "\0" in path:
            raise BadParameter(
                f"{shown} is not a path of 1 to {_MAX_PATH_CHARACTERS} characters",
                limit=_MAX_PATH_CHARACTERS,
            )
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
    def _open_directory(self, parts: list[str], *, create: bool) -> Iterator[int]:
        """Yield the descriptor of the folder at ``parts``, each opened relative to its parent."""
        number = os.open(self._root, _DIRECTORY_FLAGS)
        try:
            for part in parts:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=number)
                below = os.open(part, _DIRECTORY_FLAGS, dir_fd=number)
                os.close(number)
                number = below
            yield number
        finally:
            os.close(number)
