"""Results on the disk: whole or absent, continued where they stopped, compared by SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from darkroom.client.documents import Group, Result
from darkroom.client.errors import BadAnswer, DarkroomError
from darkroom.client.retries import send
from darkroom.client.steps import Call, Flow

_BLOCK_BYTES = 1024 * 1024
_ENTRY_BYTES = 4096
"""Of an archive, for each result and picture: headers with its name, a line on its failure."""


class _ResultSink:
    """Takes the bytes of one result into a file that may hold its beginning."""

    def __init__(self, file: BinaryIO, result: Result) -> None:
        self._file, self._result = file, result
        self.size = file.seek(0, os.SEEK_END)
        if self.size > result.bytes:
            self._restart()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        if status == 200:  # all of it, whatever was asked for
            self._restart()
        elif not headers.get("content-range", "").startswith(f"bytes {self.size}-"):
            raise BadAnswer(f"asked for {self._result.name} from byte {self.size}, got others")

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._result.bytes:
            raise BadAnswer(f"{self._result.name} is longer than its {self._result.bytes} bytes")
        self._file.write(data)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def check(self) -> None:
        """Compare what is there with what was announced; BadAnswer if it differs."""
        self._file.seek(0)
        digest = _digest(self._file)
        if (self.size, digest) != (self._result.bytes, self._result.sha256):
            raise BadAnswer(
                f"{self._result.name} arrived with {self.size} bytes and SHA-256 {digest}, not "
                f"{self._result.bytes} and {self._result.sha256}"
            )


def _receive(result: Result, file: BinaryIO, seconds: float) -> Flow[None]:
    sink = _ResultSink(file, result)
    if sink.size < result.bytes:
        path = result.url or f"/processed/{quote(result.name, safe='')}"

        def make() -> Call:
            # What names the bytes never changes, so a beginning stays the beginning.
            headers = {"Accept-Encoding": "identity"}
            if sink.size:
                headers |= {"Range": f"bytes={sink.size}-", "If-Range": f'"{result.sha256}"'}
            return Call("GET", path, headers=headers, sink=sink)

        yield from send(make, seconds)
    sink.check()


def read(result: Result, seconds: float) -> Flow[bytes]:
    """Return the bytes of a result."""
    file = io.BytesIO()
    yield from _receive(result, file, seconds)
    return file.getvalue()


def download(result: Result, target: str | os.PathLike[str], seconds: float) -> Flow[Path]:
    """Write a result to ``target``, or below it by its name if that is a folder; return the path.

    A file with these bytes is left as it is; another one is replaced. The file appears whole. What
    an interrupted download left beside it is continued.
    """
    path = _place(target, result.name)
    if not has_bytes(path, result):
        with _part(path, result.sha256) as (part, file):
            try:
                yield from _receive(result, file, seconds)
            except BadAnswer:
                part.unlink()  # the next download starts anew
                raise
            _publish(file, part, path)
    return path


class _ArchiveSink:
    def __init__(self, file: BinaryIO, group: Group) -> None:
        results = [result for task in group.tasks for result in task.results]
        entries = 1 + len(group.tasks) + len(results)
        self._most = sum(result.bytes for result in results) + entries * _ENTRY_BYTES
        self._file, self._size = file, 0

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            raise BadAnswer(
                f"the archive is longer than {self._most} bytes, the most for its results"
            )
        self._file.write(data)


def download_archive(group: Group, target: str | os.PathLike[str], seconds: float) -> Flow[Path]:
    """Write the zip file with all results of an ended group to ``target``; return the path."""
    if group.archive_url is None:
        raise DarkroomError(f"group {group.id} is {group.status}: it has no archive yet")
    path, url = _place(target, f"{group.id}.zip"), group.archive_url
    with _part(path, group.id) as (part, file):
        sink = _ArchiveSink(file, group)
        try:
            yield from send(lambda: Call("GET", url, sink=sink), seconds)
        except BadAnswer:
            part.unlink()
            raise
        _publish(file, part, path)
    return path


def has_bytes(path: Path, result: Result) -> bool:
    """Return whether ``path`` is a file with the bytes of the result."""
    if not path.is_file() or path.stat().st_size != result.bytes:
        return False
    with path.open("rb") as file:
        return _digest(file) == result.sha256


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := file.read(_BLOCK_BYTES):
        digest.update(data)
    return digest.hexdigest()


def safe_name(name: str) -> str:
    """Return a name from the service if it is one of a file in this folder.

    Raises:
        BadAnswer: it leads elsewhere, is hidden, or has control characters.
    """
    if not name or name.startswith(".") or re.search(r"[/\\\0]", name) or not name.isprintable():
        raise BadAnswer(f"the service names a result {name!a}, which is no name of a file")
    return name


def _place(target: str | os.PathLike[str], name: str) -> Path:
    path = Path(target)
    folder = path.is_dir() or os.fspath(target).endswith(os.sep)
    return path / safe_name(name) if folder else path


@contextlib.contextmanager
def _part(path: Path, content: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Open the file beside ``path`` in which it grows; without progress none stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{path.name}\0{content}".encode()).hexdigest()[:20]
    part = path.with_name(f".darkroom-{key}.part")
    # The name can be predicted: where others may write, too, no link of theirs is followed.
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            yield part, file
        finally:
            if part.exists() and file.seek(0, os.SEEK_END) == 0:
                part.unlink()


def _publish(file: BinaryIO, part: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    part.replace(path)
