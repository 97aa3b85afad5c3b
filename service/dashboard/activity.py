"""What happened in the last minutes, hours or days: refusals, durations, use by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from models.error_members import BY_CODE, meaning
from models.errors import AppError
from models.percentiles import percentile
from models.store.mongo.repository import Document
from models.store.tasks.activity import OTHER
from models.tasks.schemas import Time
from models.tasks.serializers import iso
from service.dashboard.schemas import Count
from service.http.errors import STATUS

_MAX_KEYS = 20  # shown, those that computed most first
_MAX_POINTS = 120  # of the charts
_DURATIONS = ("request", "wait", "run")
_NO_COUNTS = {"tasks": 0, "failed": 0, "bytes": 0, "ms": 0}
Seconds = Annotated[float | None, Field(description="In seconds; null: there was none.")]


class CodeBody(TypedDict):
    """How often an error code occurred."""

    code: str
    meaning: Annotated[str, Field(description="When it occurs.")]
    by: Annotated[
        Literal["client", "service"],
        Field(description="Whose side it is on: service, if its HTTP status is 5xx."),
    ]
    requests: Annotated[int, Field(description="Refused requests, and pictures of a batch.")]
    tasks: Annotated[int, Field(description="Accepted tasks that failed with it.")]


class PercentilesBody(TypedDict):
    """Percentiles of durations."""

    count: Count
    p50: Seconds
    p95: Seconds
    p99: Seconds


class DurationsBody(TypedDict):
    """Durations of requests, of waiting in the queue, and of processing."""

    request: PercentilesBody
    wait: PercentilesBody
    run: PercentilesBody


class KeyBody(TypedDict):
    """What the tasks of one API key took."""

    key: Annotated[str, Field(description="Id of the key; anonymous; other: of further keys.")]
    name: Annotated[str, Field(description="Name of the key; empty: it no longer exists.")]
    tasks: Count
    failed: Count
    bytes: Annotated[int, Field(ge=0, description="Of results.")]
    seconds: Annotated[float, Field(description="Of computing in child processes.")]


class ActivityPointBody(TypedDict):
    """Figures of one interval."""

    at: Time | None
    refused: Count
    failed: Count
    request_p95: Seconds
    wait_p95: Seconds
    run_p95: Seconds


class ActivityBody(TypedDict):
    """Sums since ``since``, of all services and workers."""

    minutes: Count
    since: Time | None
    codes: Annotated[list[CodeBody], Field(description="Most frequent first.")]
    durations: DurationsBody
    keys: Annotated[
        list[KeyBody],
        Field(description=f"The {_MAX_KEYS} that computed most; the others are one entry."),
    ]
    point_seconds: float
    points: list[ActivityPointBody]


def activity_body(
    minutes: int, since: datetime, span: int, documents: Iterable[Document]
) -> ActivityBody:
    """Return the figures of the ``documents`` of ``Activity``, each of ``span`` seconds.

    The names of keys are empty; ``name_keys`` fills them in.
    """
    width = span * -(-minutes * 60 // (span * _MAX_POINTS))
    points: dict[int, _Sums] = {}
    total = _Sums()
    for document in documents:
        number = int((document["_id"]["at"] - since).total_seconds() // width)
        total.add(document)
        points.setdefault(number, _Sums()).add(document)
    return {
        "minutes": minutes,
        "since": iso(since),
        "codes": _codes(total),
        "durations": {
            "request": _percentiles(total.durations["request"]),
            "wait": _percentiles(total.durations["wait"]),
            "run": _percentiles(total.durations["run"]),
        },
        "keys": _keys(total.keys),
        "point_seconds": width,
        "points": [
            _point(since + timedelta(seconds=number * width), sums)
            for number, sums in sorted(points.items())
        ],
    }


def name_keys(keys: list[KeyBody], names: Mapping[str, str]) -> None:
    """Fill in the names of ``keys``, by id."""
    for key in keys:
        key["name"] = names.get(key["key"], "")


class _Sums:
    """Sums of some documents."""

    def __init__(self) -> None:
        self.refused = Counter[str]()
        self.failed = Counter[str]()
        self.durations = {name: Counter[int]() for name in _DURATIONS}
        self.keys: dict[str, Counter[str]] = {}

    def add(self, document: Mapping[str, Any]) -> None:
        self.refused.update(document.get("refused", {}))
        self.failed.update(document.get("failed", {}))
        for name, counts in self.durations.items():
            for number, count in document.get(name, {}).items():
                counts[int(number)] += count
        for key, sums in document.get("keys", {}).items():
            self.keys.setdefault(key, Counter(_NO_COUNTS)).update(sums)


def _codes(sums: _Sums) -> list[CodeBody]:
    both = sums.refused + sums.failed
    return [
        {
            "code": code,
            "meaning": meaning(BY_CODE[code]) if code in BY_CODE else "",
            "by": "client" if STATUS.get(BY_CODE.get(code, AppError), 500) < 500 else "service",
            "requests": sums.refused[code],
            "tasks": sums.failed[code],
        }
        for code, _ in both.most_common()
    ]


def _percentiles(counts: Counter[int]) -> PercentilesBody:
    return {
        "count": counts.total(),
        "p50": percentile(counts, 0.5),
        "p95": percentile(counts, 0.95),
        "p99": percentile(counts, 0.99),
    }


def _keys(keys: dict[str, Counter[str]]) -> list[KeyBody]:
    def rank(key: str) -> tuple[bool, int, int]:
        return key != OTHER, keys[key]["ms"], keys[key]["tasks"]

    ordered = sorted(keys, key=rank, reverse=True)
    shown, rest = ordered[:_MAX_KEYS], ordered[_MAX_KEYS:]
    if rest and OTHER not in shown:
        others = Counter[str](_NO_COUNTS)
        for key in rest:
            others.update(keys[key])
        keys, shown = {**keys, OTHER: others}, [*shown, OTHER]
    return [_key(key, keys[key]) for key in shown]


def _key(key: str, sums: Counter[str]) -> KeyBody:
    return {
        "key": key,
        "name": "",
        "tasks": sums["tasks"],
        "failed": sums["failed"],
        "bytes": sums["bytes"],
        "seconds": sums["ms"] / 1000,
    }


def _point(at: datetime, sums: _Sums) -> ActivityPointBody:
    return {
        "at": iso(at),
        "refused": sums.refused.total(),
        "failed": sums.failed.total(),
        "request_p95": percentile(sums.durations["request"], 0.95),
        "wait_p95": percentile(sums.durations["wait"], 0.95),
        "run_p95": percentile(sums.durations["run"], 0.95),
    }
