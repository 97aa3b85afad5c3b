"""The one folder whose pictures an assistant may use, and into which results go.

An assistant is moved by what it reads, so its paths are as untrusted as those of a stranger: see
``models.files_below``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from models.files_below import create_file, open_file, open_folder, write_file

_BLOCK_BYTES = 1024 * 1024


class FileRefused(Exception):
    """A path cannot be used; the text says why."""


class Root:
    """The folder ``path``; files in it are named by paths relative to it."""

    def __init__(self, path: Path) -> None:
        """Open the folder.

        Raises:
            OSError: there is no such folder.
        """
        self.path = path.resolve(strict=True)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)

    def close(self) -> None:
        os.close(self._descriptor)

    def copy_in(self, text: str, target: Path, max_bytes: int) -> None:
        """Copy the file at ``text`` to ``target``, if it has at most ``max_bytes``.

        Raises:
            FileRefused: it has more, is no regular file, does not exist or is outside.
        """
        parts = self._parts(text)
        if not parts:
            raise FileRefused(f"{text!a} is the folder itself; name a picture in it")
        with (
            self._folder(parts[:-1], text) as folder,
            _explained(text),
            open_file(parts[-1], folder) as file,
        ):
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise FileRefused(_too_large(text, size, max_bytes))
            with target.open("xb") as copy:
                _copy(file, copy, max_bytes, text)  # it may grow while it is read

    def copy_out(self, source: Path, folder_text: str, name: str) -> str:
        """Copy ``source`` to the file ``name`` in a folder, which is made; return its path.

        A file of that name with the same bytes stays; no other file is replaced.

        Raises:
            FileRefused: there is another file of that name, or the folder is outside.
        """
        parts = self._parts(folder_text)
        text = "/".join((*parts, name))
        with self._folder(parts, folder_text, create=True) as folder, _explained(text):
            try:
                create_file(name, folder).close()  # the name is taken
            except FileExistsError:
                if self._has_bytes(folder, name, source):
                    return text
                raise FileRefused(
                    f"{text!a} already exists with other content: move it, or name another "
                    "output_folder"
                ) from None
            try:
                with source.open("rb") as file, write_file(name, folder) as copy:
                    shutil.copyfileobj(file, copy, _BLOCK_BYTES)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                raise
        return text

    def _parts(self, text: str) -> tuple[str, ...]:
        """Return the parts of a path; one that is absolute must begin with the root."""
        if "\0" in text or not _is_encodable(text):
            raise FileRefused("a path has a NUL character, or one that no file's name has")
        path = Path(text)
        if path.is_absolute():
            if not path.is_relative_to(self.path):
                raise FileRefused(f"{text!a} is outside of {self.path}")
            path = path.relative_to(self.path)
        if ".." in path.parts:
            raise FileRefused(f"{text!a} has '..' in it; paths are below {self.path}")
        return path.parts

    @contextlib.contextmanager
    def _folder(self, parts: tuple[str, ...], text: str, *, create: bool = False) -> Iterator[int]:
        """Open the folder with these parts."""
        opened = open_folder(os.dup(self._descriptor), parts, create=create)
        with _explained(text), opened as folder:
            yield folder

    @staticmethod
    def _has_bytes(folder: int, name: str, source: Path) -> bool:
        try:
            known = open_file(name, folder)
        except OSError:
            return False
        with known as file, source.open("rb") as other:
            while (data := file.read(_BLOCK_BYTES)) == other.read(_BLOCK_BYTES):
                if not data:
                    return True
        return False


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def _explained(text: str) -> Iterator[None]:
    """Raise FileRefused in place of an OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise FileRefused(
                f"{text!a} leads through a link or a file: links are not followed"
            ) from None
        raise FileRefused(f"{text!a}: {error.strerror or error}") from None


def _copy(file: BinaryIO, copy: BinaryIO, max_bytes: int, text: str) -> None:
    left = max_bytes
    while data := file.read(_BLOCK_BYTES):
        left -= len(data)
        if left < 0:
            raise FileRefused(_too_large(text, max_bytes - left, max_bytes))
        copy.write(data)


def _too_large(text: str, measured: int, limit: int) -> str:
    return f"{text!a} has {measured} bytes; at most {limit} are taken (MAX_UPLOAD_BYTES)"
