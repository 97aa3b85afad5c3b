"""Tasks, groups and results, as the service describes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from darkroom.client.errors import BadAnswer

_SHA256 = re.compile("[0-9a-f]{64}")
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELLED"})


@dataclass(frozen=True)
class Result:
    """One finished picture; ``url`` is None once its bytes were removed."""

    name: str
    url: str | None
    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    notes: tuple[str, ...]
    """What the result lost, in words."""


@dataclass(frozen=True)
class Task:
    """One picture and its operations.

    ``id`` is None for a picture of a group that was refused; ``error`` then says why. ``progress``:
    percent. ``eta_seconds``: until it ends; None: unknown. ``document``: all that the service said.
    """

    id: str | None
    group_id: str
    status: str
    progress: int
    eta_seconds: float | None
    name: str
    results: tuple[Result, ...]
    error: Mapping[str, Any] | None
    document: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def position(self) -> int | None:
        """How many waiting tasks come before it; only in events, None once it runs."""
        value = self.document.get("position")
        return value if isinstance(value, int) else None


@dataclass(frozen=True)
class Group:
    """The pictures of one submission, or tasks that were gathered."""

    id: str
    status: str
    total: int
    done: int
    failed: int
    progress: int
    eta_seconds: float | None
    archive_url: str | None
    tasks: tuple[Task, ...]
    document: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        return self.status in ENDED


_T = TypeVar("_T")


def read_task(document: object) -> Task:
    """Return the task that a JSON document describes; BadAnswer if it describes none."""
    return _read("task", _task, document)


def read_result(document: object) -> Result:
    """Return the result that a JSON document describes; BadAnswer if it describes none."""
    return _read("result", _result, document)


def read_group(document: object) -> Group:
    """Return the group that a JSON document describes; BadAnswer if it describes none."""
    return _read("group", _group, document)


def _read(what: str, read: Callable[[Any], _T], document: object) -> _T:
    try:
        return read(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadAnswer(f"the answer is not a {what}: {error!r:.200}") from None


def _task(document: Any) -> Task:
    error = document["error"]
    return Task(
        id=None if document["task_id"] is None else str(document["task_id"]),
        group_id=str(document["group_id"]),
        status=str(document["status"]),
        progress=_percent(document["progress"]),
        eta_seconds=_seconds(document["eta_seconds"]),
        name=str(document["name"]),
        results=tuple(_result(each) for each in document["results"]),
        error=None if error is None else dict(error),
        document=dict(document),
    )


def _group(document: Any) -> Group:
    return Group(
        id=str(document["group_id"]),
        status=str(document["status"]),
        total=int(document["total"]),
        done=int(document["done"]),
        failed=int(document["failed"]),
        progress=_percent(document["progress"]),
        eta_seconds=_seconds(document["eta_seconds"]),
        archive_url=_text_or_none(document["archive_url"]),
        tasks=tuple(_task(each) for each in document["tasks"]),
        document=dict(document),
    )


def _result(document: Any) -> Result:
    return Result(
        name=str(document["name"]),
        url=_text_or_none(document["url"]),
        width=int(document["width"]),
        height=int(document["height"]),
        format=str(document["format"]),
        bytes=int(document["bytes"]),
        sha256=_digest(document["sha256"]),
        notes=tuple(map(str, document["notes"])),
    )


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _digest(value: Any) -> str:
    """Return a SHA-256: it becomes a part of headers."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"no SHA-256: {value!r:.80}")
    return value


def _percent(value: Any) -> int:
    return min(100, max(0, int(value)))


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
