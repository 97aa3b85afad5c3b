"""Send pictures, wait for their tasks, fetch the results: several at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.client import (
    AsyncDarkroom,
    DarkroomError,
    Options,
    Problem,
    Result,
    Task,
    Unreachable,
)
from darkroom.client.downloads import has_bytes, safe_name

from standalone.send.journal import Journal, key_of

_UPLOADS, _FOLLOWED = 3, 6
"""At once: enough to keep a connection busy, far below what a service allows one client."""
_ATTEMPTS = 2  # with a picture whose task or result was deleted meanwhile
_GONE = {"not_found", "result_gone", "original_gone"}


class Abort(Exception):
    """No further picture can succeed; the text says why."""


@dataclass
class Outcome:
    """What came of one picture: its files, and whether they were there; or why it failed."""

    source: Path
    files: Sequence[Path] = ()
    was_there: bool = False
    failure: str = ""


class Sender:
    """Sends pictures with the same operations to one service."""

    def __init__(
        self,
        darkroom: AsyncDarkroom,
        journal: Journal,
        request: tuple[str, Sequence[Any], Options],
        folder: Path,
        *,
        force: bool,
    ) -> None:
        """``request``: the service's URL, the operations, what is said beside them."""
        self._darkroom, self._journal, self._request = darkroom, journal, request
        self._folder, self._force = folder, force
        self._uploads = asyncio.Semaphore(_UPLOADS)
        self._followed = asyncio.Semaphore(_FOLLOWED)
        self._shares: list[float] = []
        self._taken: dict[str, Path] = {}

    async def send(
        self, sources: Sequence[Path], progress: Callable[[float], None]
    ) -> list[Outcome]:
        """Send all ``sources``; ``progress`` gets the share done, 0 to 1.

        Raises:
            Abort: the service is away, or refuses the key.
        """
        self._shares = [0.0] * len(sources)
        outcomes: list[asyncio.Task[Outcome]] = []
        abort: BaseException | None = None

        def advance(number: int, share: float) -> None:
            self._shares[number] = max(share, self._shares[number])
            progress(sum(self._shares) / len(self._shares))

        try:
            async with asyncio.TaskGroup() as tasks:
                for number, source in enumerate(sources):
                    one = self._outcome(source, lambda share, n=number: advance(n, share))  # type: ignore[misc]
                    outcomes.append(tasks.create_task(one))
        except* Abort as group:
            abort = group.exceptions[0]
        if abort is not None:
            raise abort
        return [each.result() for each in outcomes]

    async def _outcome(self, source: Path, progress: Callable[[float], None]) -> Outcome:
        try:
            return await self._one(source, progress)
        except Unreachable as error:
            raise Abort(f"{error}; the same command goes on from here") from None
        except Problem as error:
            if error.status in {401, 403}:
                raise Abort(error.detail) from None
            return Outcome(source, failure=str(error))
        except DarkroomError as error:
            return Outcome(source, failure=str(error))
        except OSError as error:
            other = f"{error.filename}: " if error.filename not in {None, str(source)} else ""
            return Outcome(source, failure=f"{other}{error.strerror or error}")
        finally:
            progress(1)

    async def _one(self, source: Path, progress: Callable[[float], None]) -> Outcome:
        key = await asyncio.to_thread(key_of, source, self._request)
        entry = self._journal.entry(key)
        places = [(self._place(each), each) for each in entry.results]
        found = await asyncio.to_thread(lambda: [has_bytes(*each) for each in places])
        if found and all(found):
            return Outcome(source, [path for path, _ in places], was_there=True)
        task_id = entry.task_id
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                task = await self._task(source, key, task_id)
                async with self._followed:
                    if not task.ended:
                        async for state in self._darkroom.follow(task):
                            progress(0.95 * state.progress / 100)
                    task = await self._darkroom.wait(task)
                    files = [await self._fetch(each, source) for each in task.results]
                break
            except Problem as error:
                if attempt == _ATTEMPTS or error.code not in _GONE:
                    raise
                task_id = ""
        self._journal.set(key, task.id or "", task.results)
        return Outcome(source, files)

    async def _task(self, source: Path, key: str, task_id: str) -> Task:
        """Return the task that an earlier run made, if it still helps; else send the picture."""
        if task_id:
            task = await self._darkroom.task(task_id, source.name)
            if task.status not in {"FAILURE", "CANCELLED"}:
                return task
        async with self._uploads:
            _, operations, options = self._request
            task = await self._darkroom.submit(source, *operations, **options)
        self._journal.set(key, task.id or "")
        return task

    async def _fetch(self, result: Result, source: Path) -> Path:
        path = self._place(result)
        other = self._taken.setdefault(path.name, source)
        if other != source:
            raise DarkroomError(f"{path} is already the result of {other}")
        is_there = await asyncio.to_thread(has_bytes, path, result)
        if not is_there and os.path.lexists(path) and not self._force:
            raise DarkroomError(f"{path} already exists; -f overwrites it")
        return await self._darkroom.download(result, path)

    def _place(self, result: Result) -> Path:
        return self._folder / safe_name(result.name)
