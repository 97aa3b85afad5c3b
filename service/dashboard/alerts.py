"""What is wrong, worst first, in the words that whoever is woken by it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.error_members import THEIRS
from models.settings import Settings
from models.store.tasks.search import Lately
from models.store.tasks.stats import Work
from service.dashboard.schemas import AlarmBody, WorkerBody

Level = Literal["critical", "warning"]


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong. ``status``: the filter that shows the tasks it is about."""

    code: str
    level: Level
    text: str
    status: str | None = None

    def document(self) -> AlarmBody:
        return {"code": self.code, "level": self.level, "text": self.text, "status": self.status}


@dataclass(frozen=True)
class Scene:
    """What is known at one moment; ``before``: how many waited five minutes ago, if known."""

    work: Work
    workers: Sequence[WorkerBody]
    lately: Lately
    before: int | None
    redis: bool


def alarms(scene: Scene, settings: Settings) -> list[Alarm]:
    """Return what is wrong: what is critical comes first."""
    found = [*_workers(scene, settings), *_queue(scene, settings), *_failures(scene, settings)]
    if not scene.redis:
        text = "Redis does not answer: what is sent is accepted and waits until it is back"
        found.append(Alarm("redis_away", "critical", text))
    return sorted(found, key=lambda alarm: alarm.level != "critical")


def _workers(scene: Scene, settings: Settings) -> list[Alarm]:
    waiting = scene.work.waiting
    alive = [each for each in scene.workers if each["state"] != "silent"]
    if not alive:
        left = f"{_tasks(waiting)} {'waits' if waiting == 1 else 'wait'}"
        text = f"no worker is alive; {left if waiting else 'what is sent will wait'}"
        return [Alarm("no_workers", "critical", text, "CREATED" if waiting else None)]
    found = []
    if all(each["state"] != "running" for each in alive):
        text = "every worker is drained or draining: nothing new is begun until one is resumed"
        level: Level = "critical" if waiting else "warning"
        found.append(Alarm("all_drained", level, text, "CREATED" if waiting else None))
    lost = [
        each
        for each in scene.workers
        if each["state"] == "silent" and each["silent_seconds"] < settings.dashboard_lately_seconds
    ]
    if lost:
        names = ", ".join(each["name"] for each in lost[:3]) + (", ..." if len(lost) > 3 else "")
        text = f"fell silent without a goodbye in the last {_span(settings)}: {names}"
        found.append(Alarm("worker_silent", "warning", text))
    return found


def _queue(scene: Scene, settings: Settings) -> list[Alarm]:
    found, work, before = [], scene.work, scene.before
    if work.waiting and work.oldest > settings.dashboard_oldest_seconds:
        text = f"the oldest of {_tasks(work.waiting)} has been waiting for {_long(work.oldest)}"
        found.append(Alarm("waits_too_long", "warning", text, "CREATED"))
    if before is not None and work.waiting - before >= settings.dashboard_growth:
        text = f"the queue grew from {before} to {work.waiting} in five minutes"
        found.append(Alarm("queue_grows", "warning", text, "CREATED"))
    if work.over:
        text = (
            f"{_tasks(work.over)} in the hands of a worker that fell silent, for "
            f"{_long(work.overdue)} already"
        )
        found.append(Alarm("lease_over", "warning", text, "STARTED"))
    return found


def _failures(scene: Scene, settings: Settings) -> list[Alarm]:
    ours = {code: n for code, n in scene.lately.codes.items() if code not in THEIRS}
    if not ours:
        return []
    each = ", ".join(f"{code} {count}" for code, count in ours.items())
    text = f"{_tasks(sum(ours.values()))} failed in the last {_span(settings)}: {each}"
    return [Alarm("failures", "warning", text, "FAILURE")]


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _span(settings: Settings) -> str:
    return _long(settings.dashboard_lately_seconds)


def _long(seconds: float) -> str:
    """Return a duration as people say it: "40 s", "15 min", "3 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} h"
