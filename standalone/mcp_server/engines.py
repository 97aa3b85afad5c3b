"""What computes: this machine, or a Darkroom elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from darkroom.client import AsyncDarkroom, DarkroomError, Options

from models.settings import Settings
from standalone.mcp_server.tools import Job
from standalone.own_modules import OWN_MODULES

Progress = Callable[[float], Awaitable[None]]
"""Takes percent."""


class CannotProcess(Exception):
    """The picture was not processed; the text says why."""


class Engine(Protocol):
    """Applies the operations of a job to a file."""

    async def process(
        self, source: Path, job: Job, folder: Path, progress: Progress
    ) -> list[tuple[Path, list[str]]]:
        """Write the results into the empty ``folder``; return each with its notes.

        Raises:
            CannotProcess: there is no result.
        """


class LocalEngine:
    """Runs ``python -m workers process``: a process of its own, whose memory is limited.

    One picture at a time: it takes all cores.
    """

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.worker.task_timeout
        self._turn = asyncio.Semaphore(1)

    async def process(
        self, source: Path, job: Job, folder: Path, progress: Progress
    ) -> list[tuple[Path, list[str]]]:
        options = [part for name, value in job.options.items() for part in (f"--{name}", value)]
        command = [
            *(sys.executable, "-m", "workers", "process", str(source), "-o", f"{folder}{os.sep}"),
            *("--operations", json.dumps(job.operations), *options),
        ]
        async with self._turn:
            status, said = await self._run(command)
        if status:
            reason = said.decode(errors="replace").replace(f"{source}: ", "").strip()
            raise CannotProcess(reason.replace("darkroom: ", "") or f"it ended with {status}")
        return [(path, []) for path in sorted(folder.iterdir())]

    async def _run(self, command: list[str]) -> tuple[int, bytes]:
        """Return the exit status and standard error; the process never outlives the call."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **OWN_MODULES},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._seconds):
                _, said = await process.communicate()
        except TimeoutError:
            raise CannotProcess(f"not done after {self._seconds:g} s (TASK_TIMEOUT)") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode or 0, said


class ServerEngine:
    """Sends the picture to a service."""

    def __init__(self, darkroom: AsyncDarkroom) -> None:
        self._darkroom = darkroom

    async def process(
        self, source: Path, job: Job, folder: Path, progress: Progress
    ) -> list[tuple[Path, list[str]]]:
        options: Any = Options(**job.options)  # type: ignore[typeddict-item]
        try:
            task = await self._darkroom.submit(source, *job.operations, **options)
            async for state in self._darkroom.follow(task):
                task = state
                await progress(task.progress)
            task = await self._darkroom.wait(task)
            return [
                (await self._darkroom.download(each, folder), list(each.notes))
                for each in task.results
            ]
        except DarkroomError as error:
            raise CannotProcess(str(error)) from None
