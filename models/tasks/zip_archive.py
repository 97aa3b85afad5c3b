"""The results of a group as a streamed zip file: uncompressed, with a known length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from zipstream import ZipStream

from models.errors import ResultGone
from models.tasks.group import LOST, Group
from models.tasks.task import Result, Task

Read = Callable[[Result], AsyncIterator[bytes]]

FAILURES_FILE = "errors.txt"


@dataclass(frozen=True)
class ArchiveEntry:
    """One result and its name in the archive."""

    name: str
    result: Result


def archive_entries(group: Group, tasks: Mapping[str, Task]) -> list[ArchiveEntry]:
    """Return the finished results of ``group`` without duplicates, under unique names.

    Names that differ only in case would overwrite each other on Windows and macOS: the later one
    gets a number.
    """
    entries: dict[str, ArchiveEntry] = {}
    numbers: dict[str, int] = {}
    for member in group.members:
        task = tasks.get(member.task_id or "")
        if task is None:
            continue
        for name, result in task.available_results(task.upload(member.name)):
            known = entries.get(name.casefold())
            if known is not None and known.result.file_id == result.file_id:
                continue
            free = _free_name(name, entries, numbers)
            entries[free.casefold()] = ArchiveEntry(free, result)
    return list(entries.values())


def _free_name(name: str, taken: Mapping[str, ArchiveEntry], numbers: dict[str, int]) -> str:
    """Return ``name``, with a number if it is taken; ``numbers``: the last number of each name."""
    stem, _, suffix = name.rpartition(".")
    key, free = name.casefold(), name
    while free.casefold() in taken:
        numbers[key] = numbers.get(key, 1) + 1
        free = f"{stem}-{numbers[key]}.{suffix}"
    return free


def failures(group: Group, tasks: Mapping[str, Task]) -> list[dict[str, str]]:
    """Return name, detail and code of each picture that lacks a result."""
    found = []
    for member in group.members:
        task = tasks.get(member.task_id or "")
        error = (member.error or LOST) if task is None else task.error
        if task is not None and task.results:
            upload = task.upload(member.name)
            missing = len(upload.results) - len(task.available_results(upload))
            if missing:
                error = {"detail": f"{missing} of its results are gone", "code": ResultGone.code}
        if error is not None:
            texts = {key: str(error.get(key, "")) for key in ("detail", "code")}
            found.append({"name": member.name, **texts})
    return found


class GroupArchive:
    """A zip file of results; ``length`` is its size in bytes, known before it is written.

    Nothing is compressed, since pictures are already, and only one chunk is in memory at a time.
    """

    def __init__(self, group: Group, tasks: Mapping[str, Task], read: Read) -> None:
        """``read`` yields the bytes of a result in chunks."""
        self.entries = archive_entries(group, tasks)
        self._zip = ZipStream(sized=True)
        self._loop = asyncio.get_running_loop()
        for entry in self.entries:
            chunks = read(entry.result)
            self._zip.add(self._pull(chunks), entry.name, size=entry.result.bytes)
        self.failures = failures(group, tasks)
        if self.failures:
            lines = ["{name}: {detail} ({code})\n".format(**each) for each in self.failures]
            self._zip.add("".join(lines), FAILURES_FILE)
        self.length = len(self._zip)

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield the archive's bytes; can be called only once.

        Raises:
            StoreUnavailable, LookupError: a result cannot be read.
        """
        chunks = iter(self._zip)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    def _pull(self, chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
        """Yield chunks, read by the event loop, to the zip library in its thread."""
        while data := asyncio.run_coroutine_threadsafe(_next(chunks), self._loop).result():
            yield data


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
