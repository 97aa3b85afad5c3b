"""The client for asyncio. What its calls do is said at those of ``sync_client.Darkroom``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
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
        self._chunks = response.aiter_bytes()
        self._splitter = LineSplitter()
        self._lines: list[str] = []

    async def next_line(self) -> Outcome:
        try:
            while not self._lines:
                self._lines = self._splitter.feed(await anext(self._chunks))[::-1]
        except StopAsyncIteration:
            return Lost("the stream ended")
        except httpx.RequestError as error:
            return Lost(transport.lost(error))
        return Line(self._lines.pop())

    async def close(self) -> None:
        await self._response.aclose()


class _Steps:
    """Takes the steps of one flow."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream: _Stream | None = None

    async def take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, NextLine):
            assert self._stream is not None
            return await self._stream.next_line()
        elif isinstance(step, Call | Listen):
            try:
                return await self._call(step)
            except httpx.RequestError as error:
                return Lost(transport.lost(error))
        return None

    async def _call(self, step: Call | Listen) -> Answer:
        await self.close()
        call = step.call if isinstance(step, Listen) else step
        with ExitStack() as files:
            request = self._http.build_request(**transport.request_arguments(call, files))
            response = await self._http.send(request, stream=True)
            try:
                if not transport.has_streamed_body(step, response.status_code):
                    body = bytearray()
                    async for data in response.aiter_bytes():
                        transport.take(body, data)
                    return transport.answer(response, bytes(body))
                found = transport.answer(response)
                if isinstance(step, Listen):
                    self._stream = _Stream(response)
                elif step.sink is not None:
                    step.sink.begin(found.status, found.headers)
                    async for data in response.aiter_bytes():
                        step.sink.write(data)
                return found
            finally:
                if self._stream is None:
                    await response.aclose()

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.close()
            self._stream = None


class AsyncDarkroom:
    """A Darkroom, as ``darkroom.client.Darkroom``; its calls are coroutines."""

    def __init__(
        self,
        server: str,
        key: str | None = None,
        *,
        retry_seconds: float = DEFAULT_SECONDS,
        verify: Any = True,
    ) -> None:
        self._http = httpx.AsyncClient(**transport.options(server, key, verify))
        self._seconds = retry_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(
        self, source: Source, *operations: OperationLike, **options: Unpack[Options]
    ) -> Task:
        return await self._run(flows.submit(picture(source), operations, options, self._seconds))

    async def submit_group(
        self, sources: Iterable[Source], *operations: OperationLike, **options: Unpack[Options]
    ) -> Group:
        pictures = [picture(each) for each in sources]
        return await self._run(flows.submit_group(pictures, operations, options, self._seconds))

    async def wait(self, what: Ends, timeout: float | None = None) -> Ends:
        return await self._run(flows.wait(what, timeout, self._seconds))

    def follow(self, what: Ends) -> AsyncIterator[Ends]:
        return self._iterate(flows.follow(what, self._seconds))

    async def process(
        self,
        source: Source,
        *operations: OperationLike,
        to: str | os.PathLike[str],
        **options: Unpack[Options],
    ) -> list[Path]:
        found = flows.process(picture(source), operations, to, options, self._seconds)
        return await self._run(found)

    async def task(self, identifier: str, name: str | None = None) -> Task:
        return await self._run(flows.get_task(identifier, name, self._seconds))

    async def group(self, identifier: str) -> Group:
        return await self._run(flows.get_group(identifier, self._seconds))

    async def gather(self, tasks: Sequence[Task]) -> Group:
        return await self._run(flows.gather(tasks, self._seconds))

    async def cancel(self, task: Task) -> Task:
        return await self._run(flows.cancel(task, self._seconds))

    async def retry(self, task: Task) -> Task:
        return await self._run(flows.retry(task, self._seconds))

    async def read(self, result: Result) -> bytes:
        return await self._run(downloads.read(result, self._seconds))

    async def download(self, result: Result, to: str | os.PathLike[str]) -> Path:
        return await self._run(downloads.download(result, to, self._seconds))

    async def download_archive(self, group: Group, to: str | os.PathLike[str]) -> Path:
        return await self._run(downloads.download_archive(group, to, self._seconds))

    async def delete_result(self, name: str) -> None:
        await self._run(flows.delete_result(name, self._seconds))

    async def operations(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._run(flows.get_json("/operations", self._seconds))
        return found

    async def _run(self, flow: Flow[_T]) -> _T:
        steps, outcome = _Steps(self._http), None
        try:
            while True:
                outcome = await steps.take(flow.send(outcome))
        except StopIteration as end:
            value: _T = end.value
            return value
        finally:
            flow.close()
            await steps.close()

    async def _iterate(self, flow: Flow[None]) -> AsyncIterator[Any]:
        steps, outcome = _Steps(self._http), None
        try:
            while True:
                step = flow.send(outcome)
                if isinstance(step, Emit):
                    yield step.value
                outcome = await steps.take(step)
        except StopIteration:
            return
        finally:
            flow.close()
            await steps.close()
