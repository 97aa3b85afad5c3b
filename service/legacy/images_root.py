"""ImagesRoot: safe access to files below IMAGES_ROOT (openat, O_NOFOLLOW), no path traversal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from models import files_below
from models.errors import BadParameter

_MAX_PATH_CHARACTERS = 1024
_MAX_NAME_BYTES = 240  # file systems allow 255; the results of split append "_1"


class ImagesRoot:
    """A folder and the files below it.

    A path is resolved and must lie below the root; then it is opened as ``models.files_below``
    does. All methods block: call them in a thread.
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
        with self._open_folder(above, create=False) as folder:
            try:
                return files_below.open_file(name, folder)
            except OSError as error:
                raise FileNotFoundError(f"no file {path[:80]!a}") from error

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Yield a file to write; it is renamed to ``path`` when the block ends without an error.

        Missing folders are created. An existing file is replaced.

        Raises:
            BadParameter: it is outside the folder.
            OSError: it cannot be written.
        """
        *above, name = self.parts(path)
        with (
            self._open_folder(above, create=True) as folder,
            files_below.write_file(name, folder) as file,
        ):
            yield file

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

    def _open_folder(
        self, parts: list[str], *, create: bool
    ) -> contextlib.AbstractContextManager[int]:
        root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return files_below.open_folder(root, parts, create=create)
