"""The client for programs without asyncio."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from darkroom.client import downloads, flows, transport
from darkroom.client.documents import Group, Result, Task
from darkroom.client.events import LineSplitter
from darkroom.client.flows import Ends, OperationLike, Options
from darkroom.client.pictures import Source, picture
from darkroom.client.retries import DEFAULT_SECONDS
from darkroom.client.steps import (
    Answer,
    Call,
    Emit,
    Flow,
    Line,
    Listen,
    Lost,
    NextLine,
    Outcome,
    Pause,
    Step,
)

_T = TypeVar("_T")


class _Stream:
    """The open response of a ``Listen``, by lines."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = response.iter_bytes()
        self._splitter = LineSplitter()
        self._lines: list[str] = []

    def next_line(self) -> Outcome:
        try:
            while not self._lines:
                self._lines = self._splitter.feed(next(self._chunks))[::-1]
        except StopIteration:
            return Lost("the stream ended")
        except httpx.RequestError as error:
            return Lost(transport.lost(error))
        return Line(self._lines.pop())

    def close(self) -> None:
        self._response.close()


class _Steps:
    """Takes the steps of one flow."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream: _Stream | None = None

    def take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
        elif isinstance(step, NextLine):
            assert self._stream is not None
            return self._stream.next_line()
        elif isinstance(step, Call | Listen):
            try:
                return self._call(step)
            except httpx.RequestError as error:
                return Lost(transport.lost(error))
        return None

    def _call(self, step: Call | Listen) -> Answer:
        self.close()
        call = step.call if isinstance(step, Listen) else step
        with ExitStack() as files:
            request = self._http.build_request(**transport.request_arguments(call, files))
            response = self._http.send(request, stream=True)
            try:
                if not transport.has_streamed_body(step, response.status_code):
                    body = bytearray()
                    for data in response.iter_bytes():
                        transport.take(body, data)
                    return transport.answer(response, bytes(body))
                found = transport.answer(response)
                if isinstance(step, Listen):
                    self._stream = _Stream(response)
                elif step.sink is not None:
                    step.sink.begin(found.status, found.headers)
                    for data in response.iter_bytes():
                        step.sink.write(data)
                return found
            finally:
                if self._stream is None:
                    response.close()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Darkroom:
    """A Darkroom at ``server``, e.g. ``http://localhost:8080``.

    ``key``: its API key, if it wants one. ``retry_seconds``: the most that the pauses of one call
    take together when the service is busy (429, 503) or away; 0: nothing is tried again.
    ``verify``: how certificates are checked, as httpx takes it. Each call raises ``Problem`` for a
    refusal, ``Unreachable`` without an answer and ``BadAnswer`` for one that is not Darkroom's.
    """

    def __init__(
        self,
        server: str,
        key: str | None = None,
        *,
        retry_seconds: float = DEFAULT_SECONDS,
        verify: Any = True,
    ) -> None:
        self._http = httpx.Client(**transport.options(server, key, verify))
        self._seconds = retry_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(
        self, source: Source, *operations: OperationLike, **options: Unpack[Options]
    ) -> Task:
        """Send one picture; return its task, at once.

        The same bytes with the same operations are the same task: to send them again is safe.
        """
        return self._run(flows.submit(picture(source), operations, options, self._seconds))

    def submit_group(
        self, sources: Iterable[Source], *operations: OperationLike, **options: Unpack[Options]
    ) -> Group:
        """Send several pictures as one group; one that is refused has its error in its task."""
        pictures = [picture(each) for each in sources]
        return self._run(flows.submit_group(pictures, operations, options, self._seconds))

    def wait(self, what: Ends, timeout: float | None = None) -> Ends:
        """Return the task or group once it has ended.

        Raises:
            TaskFailed: a task ended without a result; a group never raises it. StillRunning: it
            has not ended within ``timeout`` seconds.
        """
        return self._run(flows.wait(what, timeout, self._seconds))

    def follow(self, what: Ends) -> Iterator[Ends]:
        """Yield the task or group at each change, until it has ended: server-sent events."""
        return self._iterate(flows.follow(what, self._seconds))

    def process(
        self,
        source: Source,
        *operations: OperationLike,
        to: str | os.PathLike[str],
        **options: Unpack[Options],
    ) -> list[Path]:
        """Send a picture, wait, write its results to the file or folder ``to``; return the paths.

        Several results go to a folder. What expired meanwhile is computed again.
        """
        found = flows.process(picture(source), operations, to, options, self._seconds)
        return self._run(found)

    def task(self, identifier: str, name: str | None = None) -> Task:
        """Return the task with this id; ``name``: of the upload, if there were several."""
        return self._run(flows.get_task(identifier, name, self._seconds))

    def group(self, identifier: str) -> Group:
        """Return the group with this id."""
        return self._run(flows.get_group(identifier, self._seconds))

    def gather(self, tasks: Sequence[Task]) -> Group:
        """Make a group of tasks that were sent one by one."""
        return self._run(flows.gather(tasks, self._seconds))

    def cancel(self, task: Task) -> Task:
        """Stop a task, also for other clients that wait for it."""
        return self._run(flows.cancel(task, self._seconds))

    def retry(self, task: Task) -> Task:
        """Run a task again that failed, was cancelled or lost its result."""
        return self._run(flows.retry(task, self._seconds))

    def read(self, result: Result) -> bytes:
        """Return the bytes of a result, after comparing them with its SHA-256."""
        return self._run(downloads.read(result, self._seconds))

    def download(self, result: Result, to: str | os.PathLike[str]) -> Path:
        """Write a result to the file ``to``, or below the folder ``to`` by its name.

        It appears whole; an interrupted download goes on where it stopped. A file that has these
        bytes is not fetched again, another one is replaced.
        """
        return self._run(downloads.download(result, to, self._seconds))

    def download_archive(self, group: Group, to: str | os.PathLike[str]) -> Path:
        """Write all results of an ended group to the zip file ``to``."""
        return self._run(downloads.download_archive(group, to, self._seconds))

    def delete_result(self, name: str) -> None:
        """Delete the bytes of a result."""
        self._run(flows.delete_result(name, self._seconds))

    def operations(self) -> dict[str, Any]:
        """Return what GET /operations says: each operation with its parameters as JSON schema."""
        found: dict[str, Any] = self._run(flows.get_json("/operations", self._seconds))
        return found

    def _run(self, flow: Flow[_T]) -> _T:
        steps, outcome = _Steps(self._http), None
        try:
            while True:
                outcome = steps.take(flow.send(outcome))
        except StopIteration as end:
            value: _T = end.value
            return value
        finally:
            flow.close()
            steps.close()

    def _iterate(self, flow: Flow[None]) -> Iterator[Any]:
        steps, outcome = _Steps(self._http), None
        try:
            while True:
                step = flow.send(outcome)
                if isinstance(step, Emit):
                    yield step.value
                outcome = steps.take(step)
        except StopIteration:
            return
        finally:
            flow.close()
            steps.close()
