"""CallTrace: a profiler that lists the product files which one request enters, in order."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from types import FrameType
from typing import Any, Self

from tests.support.paths import ROOT

_PRODUCT = ("service/", "models/")
_recording: ContextVar[CallTrace | None] = ContextVar("recording", default=None)


def _product_file(frame: FrameType) -> str | None:
    name = frame.f_code.co_filename
    path = name.removeprefix(f"{ROOT}/")
    return path if path != name and path.startswith(_PRODUCT) else None


class CallTrace:
    """``visits``: the files that calls enter; a file on the call stack is not entered again.

    Imports and resumed coroutines do not count. Threads and asyncio tasks that the request starts
    count: they inherit its context.
    """

    def __init__(self) -> None:
        self.visits: list[str] = []
        self._root: FrameType | None = None
        self._seen: set[FrameType] = set()  # keeps frames alive, so that none is reused
        self._stack: frozenset[str] = frozenset()

    @property
    def files(self) -> list[str]:
        """Each file once, in the order of the first visits."""
        return list(dict.fromkeys(self.visits))

    def __enter__(self) -> Self:
        self._token = _recording.set(self)
        self._root = sys._getframe(1)
        caller = self._root.f_back
        while caller is not None:  # resumed later, which is not a call
            self._seen.add(caller)
            caller = caller.f_back
        threading.setprofile(_profile)
        sys.setprofile(_profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
        _recording.reset(self._token)
        self._seen.clear()

    def call(self, frame: FrameType) -> None:
        path = _product_file(frame)
        if path is None or frame.f_code.co_name == "<module>" or frame in self._seen:
            return
        self._seen.add(frame)
        callers, caller = set(), frame.f_back
        while caller is not None and caller is not self._root:
            callers.add(_product_file(caller))
            caller = caller.f_back
        stack = frozenset(each for each in callers if each)
        if caller is self._root:
            self._stack = stack | {path}
        else:  # a thread, or a task of its own: its callers wait in the request's task
            stack |= self._stack
        if path not in stack:
            self.visits.append(path)


def _profile(frame: FrameType, event: str, _: Any) -> None:
    if event == "call":
        trace = _recording.get()
        if trace is not None:
            trace.call(frame)
