"""Find what is wrong with workers, queue, stores and disks; critical alerts come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.error_members import INPUT_ERRORS
from models.store.tasks.queue_history import QueueStats
from models.store.tasks.search import TaskOutcomes
from service.dashboard.health import DiskBody, MongoBody, RedisBody, StateBody
from service.dashboard.schemas import AlertBody, AlertCode, AlertLevel, WorkerBody

RECENT_SECONDS = 900  # for which a failure, or a lost worker, is news
_LONG_WAIT_SECONDS = 300  # of the oldest task
_MAX_LISTED, _MAX_CHARACTERS = 5, 40  # of what differs: the hash of a network is long
_LITTLE_SPACE = 4  # times MIN_FREE_DISK_BYTES
_MUCH_GROWTH = 20  # tasks in five minutes
_MUCH_MEMORY = 0.9  # of Redis' maxmemory, beyond which it refuses writes
_BETWEEN_MEASUREMENTS_BYTES = 64 << 20  # written in the milliseconds between two of them
_DISK_NAMES = {"mongodb": "MongoDB", "spool": "this service"}


@dataclass(frozen=True)
class Snapshot:
    """The state at one moment.

    ``waiting_before``: tasks that waited five minutes ago, if known. ``differing``: what some
    services and workers have and others lack, see ``models.tasks.needs``.
    """

    stats: QueueStats
    workers: Sequence[WorkerBody]
    recent: TaskOutcomes
    waiting_before: int | None
    health: StateBody
    differing: Sequence[str] = ()


def find_alerts(snapshot: Snapshot) -> list[AlertBody]:
    """Return the alerts, critical ones first."""
    health = snapshot.health
    alerts = [*_workers(snapshot), *_queue(snapshot), *_failures(snapshot)]
    alerts += [*_redis(health["redis"]), *_mongodb(health["mongodb"])]
    for number, disk in enumerate(health["disks"]):
        if not any(_same(disk, other) for other in health["disks"][:number]):
            alerts += _disk(disk)
    return sorted(alerts, key=lambda alert: alert["level"] != "critical")


def _workers(snapshot: Snapshot) -> list[AlertBody]:
    waiting = snapshot.stats.waiting
    alive = [each for each in snapshot.workers if each["state"] != "silent"]
    if not alive:
        left = f"{_tasks(waiting)} {'waits' if waiting == 1 else 'wait'}"
        text = f"no worker is alive; {left if waiting else 'new tasks will wait'}"
        return [_alert("no_workers", "critical", text, "CREATED" if waiting else None)]
    alerts = []
    if all(each["state"] != "running" for each in alive):
        text = "every worker is drained or draining: no task starts until one is resumed"
        level: AlertLevel = "critical" if waiting else "warning"
        alerts.append(_alert("all_drained", level, text, "CREATED" if waiting else None))
    lost = [
        each
        for each in snapshot.workers
        if each["state"] == "silent" and each["silent_seconds"] < RECENT_SECONDS
    ]
    if lost:
        names = ", ".join(each["name"] for each in lost[:3]) + (", ..." if len(lost) > 3 else "")
        text = f"workers lost in the last {_duration(RECENT_SECONDS)}, without a shutdown: {names}"
        alerts.append(_alert("worker_silent", "warning", text))
    if snapshot.differing:
        more = len(snapshot.differing) - _MAX_LISTED
        listed = [each[:_MAX_CHARACTERS] for each in snapshot.differing[:_MAX_LISTED]]
        text = f"services and workers have not the same settings or networks: {', '.join(listed)}"
        alerts.append(
            _alert("settings_differ", "warning", f"{text} and {more} more" if more > 0 else text)
        )
    return alerts


def _queue(snapshot: Snapshot) -> list[AlertBody]:
    alerts, stats, before = [], snapshot.stats, snapshot.waiting_before
    if stats.waiting and stats.oldest_seconds > _LONG_WAIT_SECONDS:
        waited = _duration(stats.oldest_seconds)
        text = f"the oldest of {_tasks(stats.waiting)} has been waiting for {waited}"
        alerts.append(_alert("waits_too_long", "warning", text, "CREATED"))
    if before is not None and stats.waiting - before >= _MUCH_GROWTH:
        text = f"the queue grew from {before} to {stats.waiting} in five minutes"
        alerts.append(_alert("queue_grows", "warning", text, "CREATED"))
    if stats.expired_leases:
        text = (
            f"{_tasks(stats.expired_leases)} held by a lost worker; the oldest lease expired "
            f"{_duration(stats.longest_expired_seconds)} ago"
        )
        alerts.append(_alert("lease_over", "warning", text, "STARTED"))
    return alerts


def _redis(redis: RedisBody) -> list[AlertBody]:
    if not redis["up"]:
        text = "Redis does not answer: uploads are accepted, and wait until it is back"
        return [_alert("redis_away", "critical", text)]
    used, most = redis["used_bytes"], redis["max_bytes"]
    if used is None or not most or used < _MUCH_MEMORY * most:
        return []
    text = (
        f"Redis uses {used // 1_000_000} of {most // 1_000_000} MB (maxmemory); when they are used "
        "up, tasks are accepted, and wait until a sweep enqueues them"
    )
    return [_alert("redis_memory", "warning", text)]


def _mongodb(mongodb: MongoBody) -> list[AlertBody]:
    ill = [
        f"{each['name']} {each['state']}"
        for each in mongodb["members"] or []
        if not each["healthy"]
    ]
    if not ill:
        return []
    text = f"members of MongoDB's replica set are not healthy: {', '.join(ill[:5])}"
    return [_alert("mongodb_member", "warning", text)]


def _same(disk: DiskBody, other: DiskBody) -> bool:
    """Return whether both are one disk, probably: measured at almost the same time."""
    near = abs(disk["free_bytes"] - other["free_bytes"]) < _BETWEEN_MEASUREMENTS_BYTES
    return disk["size_bytes"] == other["size_bytes"] and near


def _disk(disk: DiskBody) -> list[AlertBody]:
    free, kept = disk["free_bytes"], disk["kept_bytes"]
    if free >= _LITTLE_SPACE * kept:
        return []
    of_mongodb = disk["place"] == "mongodb"
    left = f"{free // 1_000_000} MB are free on the disk of {_DISK_NAMES[disk['place']]}"
    if free < kept:
        waits = ", results wait; delete results, or set RESULT_TTL" if of_mongodb else ""
        code: AlertCode = "disk_full" if of_mongodb else "spool_full"
        return [_alert(code, "critical", f"{left}: uploads are refused{waits}")]
    text = f"{left}; below {kept // 1_000_000} MB (MIN_FREE_DISK_BYTES) uploads are refused"
    return [_alert("disk_low" if of_mongodb else "spool_low", "warning", text)]


def _failures(snapshot: Snapshot) -> list[AlertBody]:
    failures = {code: n for code, n in snapshot.recent.codes.items() if code not in INPUT_ERRORS}
    if not failures:
        return []
    counts = ", ".join(f"{code} {count}" for code, count in failures.items())
    text = (
        f"{_tasks(sum(failures.values()))} failed in the last {_duration(RECENT_SECONDS)}: {counts}"
    )
    return [_alert("failures", "warning", text, "FAILURE")]


def _alert(code: AlertCode, level: AlertLevel, text: str, status: str | None = None) -> AlertBody:
    return {"code": code, "level": level, "text": text, "status": status, "since": None}


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _duration(seconds: float) -> str:
    """Return a duration as text: "40 s", "15 min", "3 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} h"
