"""Every metric of Darkroom; docs/metrics.md has them as a table."""

from __future__ import annotations

from models.errors import BY_CODE
from models.metrics.metric import OPEN, OTHER, Kind, Metric, Source
from models.operations import OPERATIONS
from models.outbox.webhook import OUTCOMES
from models.tasks.task import ENDED

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_WORK = (*OPERATIONS, "pipeline", OTHER)
_CODES = tuple(sorted({*BY_CODE, OTHER}))
_OUTCOMES = ("ok", "error")
_COMMANDS = (
    *("find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "count"),
    *("createIndexes", "listIndexes", "ping", "dbStats", "hello", "commitTransaction"),
    *("abortTransaction", "killCursors", "killSessions", "endSessions", OTHER),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
_DISK = {"place": ("mongodb", "spool", "scratch")}

_C, _G, _H = Kind
_SERVICE, _WORKER, _BOTH, _STORES = Source

REQUESTS = Metric(
    "darkroom_request_duration_seconds",
    _H,
    _SERVICE,
    "HTTP requests until the last byte of the answer, those that ?wait= for a task included; "
    "status 499: the client went away.",
    {"method": _METHODS, "route": OPEN, "status": OPEN},
    _LONG,
)
REQUESTS_NOW = Metric(
    "darkroom_requests_in_progress", _G, _SERVICE, "HTTP requests being answered."
)
EVENT_STREAMS = Metric(
    "darkroom_event_streams",
    _G,
    _SERVICE,
    "Streams of server-sent events that are open, by what they tell of.",
    {"of": ("task", "group")},
)
ENDED_TASKS = Metric(
    "darkroom_tasks_total",
    _C,
    _BOTH,
    "Tasks that ended, by operation (pipeline: several) and status; CANCELLED by a service.",
    {"operation": _WORK, "status": tuple(sorted(ENDED))},
)
FAILURES = Metric(
    "darkroom_task_failures_total", _C, _WORKER, "Tasks that ended FAILURE.", {"code": _CODES}
)
ATTEMPTS = Metric(
    "darkroom_attempts_total",
    _C,
    _WORKER,
    "Attempts at tasks by how they ended. lease_lost: another's while it computed; fenced: found "
    "out when it published; store_away: left to the sweep; handed_back: the worker was stopped.",
    {
        "outcome": (
            *("success", "failure", "crashed", "lease_lost", "fenced", "cancelled"),
            *("handed_back", "store_away", "machine_trouble", OTHER),
        )
    },
)
WAIT = Metric(
    "darkroom_task_wait_seconds",
    _H,
    _WORKER,
    "Asked for (or asked again) until first claimed, by the clock of MongoDB.",
    buckets=_LONG,
)
RUN = Metric(
    "darkroom_task_run_seconds",
    _H,
    _WORKER,
    "Claimed until published, of attempts that ended in SUCCESS.",
    {"operation": _WORK},
    _LONG,
)
STAGES = Metric(
    "darkroom_stage_duration_seconds",
    _H,
    _WORKER,
    "Stages of attempts: fetch the picture, wait for memory, work in the child, publish.",
    {"stage": ("fetch", "wait", "work", "publish")},
    _LONG,
)
RERINGS = Metric(
    "darkroom_rerings_total",
    _C,
    _WORKER,
    "Tasks rung for again: never rung or the ring was lost, Redis lost all its data, its worker's "
    "lease ended, its child crashed.",
    {"cause": ("lost_ring", "wiped_redis", "dead_lease", "crash")},
)
REPLACED = Metric(
    "darkroom_children_replaced_total",
    _C,
    _WORKER,
    "Child processes that died or were killed, and replaced: crashed, over TASK_TIMEOUT, its task "
    "cancelled or lost, holding too much memory, after CHILD_TASKS, failing otherwise.",
    {"cause": ("crashed", "timeout", "cancelled", "memory", "recycled", "failed")},
)
CHILDREN = Metric(
    "darkroom_children",
    _G,
    _WORKER,
    "Child processes by state; missing: died, or not started yet.",
    {"state": ("busy", "idle", "missing")},
)
ATTEMPTS_NOW = Metric(
    "darkroom_attempts_in_progress", _G, _WORKER, "Tasks in hand; 0: an idle worker."
)
LEASE_AGE = Metric(
    "darkroom_lease_age_seconds",
    _G,
    _WORKER,
    "Since that of its leases was extended which was not for longest; LEASE_SECONDS is too late.",
)
MEMORY_FREE = Metric(
    "darkroom_memory_budget_free_bytes", _G, _WORKER, "Of MEMORY_BUDGET, what no task holds."
)
MEMORY_WAITING = Metric(
    "darkroom_memory_waiting_tasks", _G, _WORKER, "Tasks in hand that wait for memory."
)
WEBHOOKS = Metric(
    "darkroom_webhook_calls_total",
    _C,
    _WORKER,
    "Calls of a callback_url by how they ended: delivered is 2xx, http_error another status but "
    "redirect and gone (410), refused_address a name that leads to a private network.",
    {"outcome": OUTCOMES},
)
WEBHOOK_TIMES = Metric(
    "darkroom_webhook_duration_seconds", _H, _WORKER, "Calls of a callback_url.", buckets=_LONG
)
MONGODB = Metric(
    "darkroom_mongodb_command_duration_seconds",
    _H,
    _BOTH,
    "Commands to MongoDB; not those in which a change stream waits for news.",
    {"command": _COMMANDS, "outcome": _OUTCOMES},
    _QUICK,
)
REDIS = Metric(
    "darkroom_redis_call_duration_seconds",
    _H,
    _BOTH,
    "Calls to the queue in Redis; arq's own polling is not among them.",
    {"call": ("ring", "ringing", "ping", "depth"), "outcome": _OUTCOMES},
    _QUICK,
)
LAG = Metric(
    "darkroom_event_loop_lag_seconds",
    _H,
    _BOTH,
    "How late the event loop woke up from a short sleep.",
    buckets=_QUICK,
)
STARTED_AT = Metric(
    "darkroom_start_time_seconds", _G, _BOTH, "When the process began, in Unix time."
)
DISK_FREE = Metric(
    "darkroom_disk_free_bytes",
    _G,
    _BOTH,
    "Free where MongoDB, the service (uploads) and a worker (pictures in work) write.",
    _DISK,
)
DISK_SIZE = Metric("darkroom_disk_size_bytes", _G, _BOTH, "Size of the same.", _DISK)
STORE_UP = Metric(
    "darkroom_store_up",
    _G,
    _STORES,
    "1 if the store answered this scrape within STORE_TIMEOUT, else 0, and its figures lack.",
    {"store": ("mongodb", "redis")},
)
WAITING = Metric("darkroom_tasks_waiting", _G, _STORES, "Tasks that no worker has: CREATED.")
RUNNING = Metric("darkroom_tasks_running", _G, _STORES, "Tasks that a worker has: STARTED.")
OLDEST = Metric(
    "darkroom_oldest_waiting_task_seconds",
    _G,
    _STORES,
    "Since the oldest waiting task was asked for; 0: none waits.",
)
LEASES_OVER = Metric(
    "darkroom_leases_over", _G, _STORES, "Tasks whose worker fell silent and that nobody took up."
)
OVERDUE = Metric(
    "darkroom_lease_overdue_seconds",
    _G,
    _STORES,
    "Since the first of these leases ended; 0: there is none.",
)
WEBHOOKS_DUE = Metric(
    "darkroom_webhooks_due",
    _G,
    _STORES,
    "Events for a callback_url that are to be sent, or to be tried again.",
)
WEBHOOKS_LATE = Metric(
    "darkroom_webhooks_late_seconds",
    _G,
    _STORES,
    "Since that of these should have been sent, or tried again, which is latest; 0: none is late.",
)
LEDGER_TASKS = Metric("darkroom_ledger_tasks", _G, _STORES, "Tasks remembered, about.")
DATA_BYTES = Metric(
    "darkroom_store_data_bytes", _G, _STORES, "What MongoDB's files of Darkroom take on disk."
)
RINGS = Metric("darkroom_queue_rings", _G, _STORES, "Rings in Redis that no worker took yet.")
WORKERS = Metric("darkroom_workers", _G, _STORES, "Workers seen alive within WORKER_SEEN_SECONDS.")
SNAPSHOT_AGE = Metric(
    "darkroom_snapshot_age_seconds",
    _G,
    _STORES,
    "Since a worker wrote the figures that are shown of it.",
    {"worker": OPEN},
)
REFUSED = Metric(
    "darkroom_snapshots_refused",
    _G,
    _STORES,
    "Metrics in workers' snapshots that were not understood: another version, or spoiled.",
)

METRICS: tuple[Metric, ...] = tuple(m for m in list(globals().values()) if isinstance(m, Metric))


def table() -> str:
    """Return the metrics as a Markdown table, as docs/metrics.md has it."""
    rows = ["| metric | kind | labels | measured by | |", "|---|---|---|---|---|"]
    for m in METRICS:
        labels = ", ".join(_label(name, m.labels.get(name, OPEN)) for name in m.exposed_labels)
        rows.append(f"| `{m.name}` | {m.kind} | {labels} | {m.source} | {m.help} |")
    return "\n".join(rows) + "\n"


def _label(name: str, values: tuple[str, ...]) -> str:
    """Return the label with its values where they are few."""
    few = [value for value in values if value != OTHER] if len(values) <= 10 else []
    return f"`{name}` ({', '.join(few)})" if few else f"`{name}`"
