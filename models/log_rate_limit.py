"""Rate limit of log lines: of one cause a few pass, the others are counted."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

LINES, SECONDS = 20, 10.0
"""So many lines of a cause pass in so many seconds: enough to see a fault, and a client that
repeats it as fast as it can fills the log no faster than a slow one."""
MAX_CAUSES = 1000
"""Causes that are counted at a time; a name may come from a child process."""
_MAX_CHARACTERS = 100


class _Cause(NamedTuple):
    logger: str
    level: int
    event: str
    code: str
    exception: str


@dataclass
class _Window:
    """Lines of one cause since ``began``."""

    began: float
    lines: int = 0
    dropped: int = 0


class RateLimitedHandler(logging.Handler):
    """Passes records to ``outputs``; warnings, errors and refusals within the limit.

    A refusal is a record with a ``code``. All other records below WARNING pass: each says that
    something was done, such as a request. What was dropped is reported with the first record
    after the window, of any cause, and at the end.
    """

    def __init__(
        self, outputs: Sequence[logging.Handler], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._outputs = outputs
        self._clock = clock
        self._windows: dict[_Cause, _Window] = {}  # the oldest first
        self._context = contextvars.copy_context()  # reports belong to no request

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        self._close_windows(now - SECONDS)
        cause = _cause(record)
        if cause is not None:
            window = self._windows.setdefault(cause, _Window(now))
            window.lines += 1
            if window.lines > LINES:
                if not isinstance(record.msg, dict) or "incident" not in record.msg:
                    window.dropped += 1
                    return
                record.msg.pop("exception", None)  # a client was told to quote its incident
        self._write(record)

    def close(self) -> None:
        self.acquire()
        try:
            self._close_windows(float("inf"))
        finally:
            self.release()
        super().close()

    def _close_windows(self, before: float) -> None:
        """Report and forget windows that began up to ``before``, and the oldest of too many."""
        while self._windows:
            cause, window = next(iter(self._windows.items()))
            if window.began > before and len(self._windows) < MAX_CAUSES:
                return
            del self._windows[cause]
            if window.dropped:
                self._context.run(self._write, _report(cause, window, self._clock()))

    def _write(self, record: logging.LogRecord) -> None:
        for output in self._outputs:
            output.handle(record)


def _cause(record: logging.LogRecord) -> _Cause | None:
    """Return what lines of the same cause share; None: the record always passes."""
    fields: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {}
    code = str(fields.get("code", ""))
    if record.levelno < logging.WARNING and not code:
        return None
    # A child process has its own limit of lines, each of which may be part of one traceback.
    event = str(fields.get("line") or fields.get("event", record.msg))
    exception = str(fields.get("exception", "")).rpartition("\n")[2].partition(":")[0]
    if record.exc_info and record.exc_info[0]:
        exception = record.exc_info[0].__name__
    return _Cause(
        record.name,
        record.levelno,
        *(text[:_MAX_CHARACTERS] for text in (event, code, exception)),
    )


def _report(cause: _Cause, window: _Window, now: float) -> logging.LogRecord:
    fields = {
        "msg": "lines_dropped",
        "name": cause.logger,
        "levelno": cause.level,
        "levelname": logging.getLevelName(cause.level),
        "of": cause.event,
        "dropped": window.dropped,
        "seconds": round(now - window.began, 1),
    }
    named = {"code": cause.code, "exception_type": cause.exception}
    return logging.makeLogRecord(fields | {name: text for name, text in named.items() if text})
