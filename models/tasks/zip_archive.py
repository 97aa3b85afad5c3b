"""The results of a group as one zip file, made while it is read: stored, of known length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from zipstream import ZipStream

from models.errors import ResultGone
from models.tasks.group import Group
from models.tasks.task import Result, Task

Read = Callable[[Result], AsyncIterator[bytes]]

FAILURES = "errors.txt"


@dataclass(frozen=True)
class Entry:
    """One result under the name it has in the archive."""

    name: str
    result: Result


def entries(group: Group, tasks: Mapping[str, Task]) -> list[Entry]:
    """Return the finished results of ``group``, each once, no two of one name.

    Names that differ only in upper and lower case would overwrite each other on Windows and macOS:
    the later one gets a number.
    """
    found: dict[str, Entry] = {}
    numbers: dict[str, int] = {}
    for member in group.members:
        task = tasks.get(member.task_id or "")
        if task is None:
            continue
        for name, result in task.served(task.upload(member.name)):
            known = found.get(name.casefold())
            if known is not None and known.result.file_id == result.file_id:
                continue
            free = _free(name, found, numbers)
            found[free.casefold()] = Entry(free, result)
    return list(found.values())


def _free(name: str, taken: Mapping[str, Entry], numbers: dict[str, int]) -> str:
    """Return ``name``, with a number if it is taken; ``numbers`` has the last one of each name."""
    stem, _, suffix = name.rpartition(".")
    key, free = name.casefold(), name
    while free.casefold() in taken:
        numbers[key] = numbers.get(key, 1) + 1
        free = f"{stem}-{numbers[key]}.{suffix}"
    return free


def failures(group: Group, tasks: Mapping[str, Task]) -> str:
    """Return a text that says of each picture without a result why, empty if there is none."""
    lines = []
    for member in group.members:
        task = tasks.get(member.task_id or "")
        error = member.error if task is None else task.error
        if task is not None and task.results:
            upload = task.upload(member.name)
            gone = len(upload.results) - len(task.served(upload))
            if gone:
                error = {"detail": f"{gone} of its results are gone", "code": ResultGone.code}
        if error is not None:
            lines.append(f"{member.name}: {error.get('detail', '')} ({error.get('code', '')})\n")
    return "".join(lines)


class Archive:
    """A zip file of results; ``length`` is its size in bytes before any of it is made.

    Nothing is compressed, as pictures are already, and nothing is held but the chunk on its way.
    """

    def __init__(self, group: Group, tasks: Mapping[str, Task], read: Read) -> None:
        """``read`` gives the bytes of a result in chunks."""
        self.entries = entries(group, tasks)
        self._zip = ZipStream(sized=True)
        self._loop = asyncio.get_running_loop()
        for entry in self.entries:
            chunks = read(entry.result)
            self._zip.add(self._pull(chunks), entry.name, size=entry.result.bytes)
        text = failures(group, tasks)
        if text:
            self._zip.add(text, FAILURES)
        self.length = len(self._zip)

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield the archive; once.

        Raises:
            StoreUnavailable, LookupError: a result cannot be read.
        """
        pieces = iter(self._zip)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    def _pull(self, chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
        """Give the library, which pulls from a thread, what the loop reads."""
        while data := asyncio.run_coroutine_threadsafe(_next(chunks), self._loop).result():
            yield data


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
