"""The one folder whose pictures an assistant may use, and into which results go.

An assistant is moved by what it reads, so its paths are as untrusted as those of a stranger: each
part of a path is opened in the folder before it, and no link is followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would block for ever
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
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
        with self._folder(parts[:-1], text) as folder, _explained(text):
            descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise FileRefused(f"{text!a} is not a regular file")
                if found.st_size > max_bytes:
                    raise FileRefused(_too_large(text, found.st_size, max_bytes))
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
                os.close(os.open(name, _NEW, 0o666, dir_fd=folder))  # the name is taken
            except FileExistsError:
                if self._has_bytes(folder, name, source):
                    return text
                raise FileRefused(
                    f"{text!a} already exists with other content: move it, or name another "
                    "output_folder"
                ) from None
            part = f".darkroom-{secrets.token_hex(8)}.part"
            try:
                with (
                    source.open("rb") as file,
                    os.fdopen(os.open(part, _NEW, 0o666, dir_fd=folder), "wb") as copy,
                ):
                    shutil.copyfileobj(file, copy, _BLOCK_BYTES)
                os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                for made in (part, name):
                    with contextlib.suppress(OSError):
                        os.unlink(made, dir_fd=folder)
                raise
        return text

    def _parts(self, text: str) -> tuple[str, ...]:
        """Return the parts of a path; one that is absolute must begin with the root."""
        if "\0" in text:
            raise FileRefused("a path has a NUL character")
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
        """Open the folder with these parts, one after the other."""
        descriptor = os.dup(self._descriptor)
        try:
            with _explained(text):
                for part in parts:
                    if create:
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(part, dir_fd=descriptor)
                    deeper = os.open(part, _FOLDER, dir_fd=descriptor)
                    os.close(descriptor)
                    descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _has_bytes(folder: int, name: str, source: Path) -> bool:
        try:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as file, source.open("rb") as other:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return False
            while (data := file.read(_BLOCK_BYTES)) == other.read(_BLOCK_BYTES):
                if not data:
                    return True
        return False


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
