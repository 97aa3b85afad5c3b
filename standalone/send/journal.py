"""What ``darkroom send`` remembers, so that nothing is sent or fetched twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from darkroom.client import DarkroomError, Result
from darkroom.client.documents import read_result
from darkroom.client.downloads import safe_name

FILE_NAME = ".darkroom-send.jsonl"


@dataclass
class Entry:
    """One picture with its operations: its task, and its results once they are on the disk."""

    task_id: str = ""
    results: list[Result] = field(default_factory=list)


class Journal:
    """A file of lines of JSON; each is written at once, and a line that is broken is ignored."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._entries: dict[str, Entry] = {}
        self._file: Any = None

    def __enter__(self) -> Self:
        """Read it, and open it for further lines.

        Raises:
            OSError: the folder cannot be written, or the journal is a link.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        number = os.open(self._path, flags, 0o600)
        self._file = os.fdopen(number, "r+", encoding="utf-8", errors="replace")
        self._file.seek(0)
        last = "\n"
        for last in self._file:
            with contextlib.suppress(
                ValueError, TypeError, KeyError, RecursionError, DarkroomError
            ):
                self._read(json.loads(last))
        if not last.endswith("\n"):
            self._file.write("\n")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self, line: dict[str, Any]) -> None:
        results = [read_result(each) for each in line["results"]]
        for each in results:
            safe_name(each.name)
        self._entries[str(line["key"])] = Entry(str(line["task"]), results)

    def entry(self, key: str) -> Entry:
        return self._entries.get(key, Entry())

    def set(self, key: str, task_id: str, results: Iterable[Result] = ()) -> None:
        """Remember the task of a picture, or that its ``results`` are in the folder."""
        self._entries[key] = Entry(task_id, list(results))
        said = [vars(each) for each in self._entries[key].results]
        self._file.write(json.dumps({"key": key, "task": task_id, "results": said}) + "\n")
        self._file.flush()


def key_of(source: Path, request: Any) -> str:
    """Return what names a picture with its operations: its name, its bytes and the request.

    Raises:
        DarkroomError: it is no regular file. OSError: it cannot be read.
    """
    if source.is_dir():
        raise DarkroomError("this is a folder; name the pictures in it")
    if source.exists() and not source.is_file():
        raise DarkroomError("not a regular file: pipes and devices cannot be read twice")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    said = json.dumps([source.name, digest, request], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
