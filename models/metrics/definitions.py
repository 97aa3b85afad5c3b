"""All metrics of Darkroom; docs/metrics.md lists them in a table."""

from __future__ import annotations

from models.error_members import BY_CODE
from models.metrics.metric import ANY_VALUE, OTHER, Metric, MetricKind, MetricSource
from models.operations import OPERATIONS
from models.outbox.webhook import OUTCOMES
from models.tasks.task import ENDED

_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TASK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_OPERATION_LABELS = (*OPERATIONS, "pipeline", OTHER)
_CODES = tuple(sorted({*BY_CODE, OTHER}))
_OUTCOMES = ("ok", "error")
_COMMANDS = (
    *("find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "count"),
    *("createIndexes", "listIndexes", "ping", "dbStats", "collStats", "hello", "commitTransaction"),
    *("abortTransaction", "killCursors", "killSessions", "endSessions", "replSetGetStatus"),
    *("saslStart", "saslContinue", OTHER),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
_DISK = {"place": ("mongodb", "spool", "scratch")}

_C, _G, _H = MetricKind
_SERVICE, _WORKER, _BOTH, _STORES = MetricSource

REQUEST_DURATION = Metric(
    "darkroom_request_duration_seconds",
    _H,
    _SERVICE,
    "HTTP requests until the last byte of the response, including those that ?wait= for a task; "
    "status 499: the client disconnected.",
    {"method": _METHODS, "route": ANY_VALUE, "status": ANY_VALUE},
    _TASK_BUCKETS,
)
REQUESTS_IN_PROGRESS = Metric(
    "darkroom_requests_in_progress", _G, _SERVICE, "HTTP requests in progress."
)
EVENT_STREAMS = Metric(
    "darkroom_event_streams",
    _G,
    _SERVICE,
    "Open streams of server-sent events, by what they follow.",
    {"subject": ("task", "group")},
)
TASKS_ENDED = Metric(
    "darkroom_tasks_total",
    _C,
    _BOTH,
    "Tasks that ended, by operation (pipeline: several) and status; services count CANCELLED.",
    {"operation": _OPERATION_LABELS, "status": tuple(sorted(ENDED))},
)
TASK_FAILURES = Metric(
    "darkroom_task_failures_total",
    _C,
    _WORKER,
    "Tasks that ended with FAILURE, by error code.",
    {"code": _CODES},
)
ATTEMPTS = Metric(
    "darkroom_attempts_total",
    _C,
    _WORKER,
    "Attempts at tasks, by outcome. lease_lost: another worker took the task during the work; "
    "fenced: the same, noticed when it published; store_unavailable: left to the sweep; "
    "handed_back: the worker was stopped.",
    {
        "outcome": (
            *("success", "failure", "crashed", "lease_lost", "fenced", "cancelled"),
            *("handed_back", "store_unavailable", "machine_trouble", OTHER),
        )
    },
)
TASK_WAIT = Metric(
    "darkroom_task_wait_seconds",
    _H,
    _WORKER,
    "Time from submission (or resubmission) until the first claim, by the clock of MongoDB.",
    buckets=_TASK_BUCKETS,
)
TASK_RUN = Metric(
    "darkroom_task_run_seconds",
    _H,
    _WORKER,
    "Time from claim until publication, of attempts that ended with SUCCESS.",
    {"operation": _OPERATION_LABELS},
    _TASK_BUCKETS,
)
STAGE_DURATION = Metric(
    "darkroom_stage_duration_seconds",
    _H,
    _WORKER,
    "Stages of attempts: fetch the picture, wait for memory, work in the child process, publish.",
    {"stage": ("fetch", "wait", "work", "publish")},
    _TASK_BUCKETS,
)
TASKS_REENQUEUED = Metric(
    "darkroom_tasks_reenqueued_total",
    _C,
    _WORKER,
    "Tasks enqueued again. lost_job: no job in Redis; redis_data_lost: Redis lost all data; "
    "lease_expired: the worker stopped renewing the lease; crash: the child process died.",
    {"cause": ("lost_job", "redis_data_lost", "lease_expired", "crash")},
)
CHILD_PROCESSES_REPLACED = Metric(
    "darkroom_child_processes_replaced_total",
    _C,
    _WORKER,
    "Child processes replaced. timeout: over TASK_TIMEOUT; cancelled: its task was cancelled or "
    "lost; memory: it kept too much; recycled: after CHILD_MAX_TASKS, or its processor time; "
    "failed: any other error.",
    {"cause": ("crashed", "timeout", "cancelled", "memory", "recycled", "failed")},
)
CHILD_PROCESSES = Metric(
    "darkroom_child_processes",
    _G,
    _WORKER,
    "Child processes by state; missing: dead, or not started yet.",
    {"state": ("busy", "idle", "missing")},
)
ATTEMPTS_IN_PROGRESS = Metric(
    "darkroom_attempts_in_progress",
    _G,
    _WORKER,
    "Tasks that the worker has; 0: the worker is idle.",
)
LEASE_AGE = Metric(
    "darkroom_lease_age_seconds",
    _G,
    _WORKER,
    "Seconds since the stalest lease was renewed; a lease expires after LEASE_SECONDS.",
)
MEMORY_FREE = Metric(
    "darkroom_memory_budget_free_bytes", _G, _WORKER, "Part of MEMORY_BUDGET that no task holds."
)
TASKS_WAITING_FOR_MEMORY = Metric(
    "darkroom_tasks_waiting_for_memory", _G, _WORKER, "Tasks of the worker that wait for memory."
)
WEBHOOK_CALLS = Metric(
    "darkroom_webhook_calls_total",
    _C,
    _WORKER,
    "Calls of a callback_url, by outcome. delivered: 2xx; redirect: 3xx; gone: 410; http_error: "
    "any other status; refused_address: the host name resolves to a private network.",
    {"outcome": OUTCOMES},
)
WEBHOOK_DURATION = Metric(
    "darkroom_webhook_duration_seconds",
    _H,
    _WORKER,
    "Duration of calls of a callback_url.",
    buckets=_TASK_BUCKETS,
)
MONGODB_COMMANDS = Metric(
    "darkroom_mongodb_command_duration_seconds",
    _H,
    _BOTH,
    "Commands to MongoDB, except those in which a change stream waits for changes.",
    {"command": _COMMANDS, "outcome": _OUTCOMES},
    _CALL_BUCKETS,
)
REDIS_CALLS = Metric(
    "darkroom_redis_call_duration_seconds",
    _H,
    _BOTH,
    "Calls to the queue in Redis, except arq's own polling.",
    {
        "call": ("enqueue", "are_queued", "ping", "depth", "memory", "publish_cancelled"),
        "outcome": _OUTCOMES,
    },
    _CALL_BUCKETS,
)
EVENT_LOOP_LAG = Metric(
    "darkroom_event_loop_lag_seconds",
    _H,
    _BOTH,
    "Delay of the event loop after a short sleep.",
    buckets=_CALL_BUCKETS,
)
START_TIME = Metric("darkroom_start_time_seconds", _G, _BOTH, "Start of the process, in Unix time.")
DISK_FREE = Metric(
    "darkroom_disk_free_bytes",
    _G,
    _BOTH,
    "Free disk space of MongoDB, of the service (spool) and of a worker (scratch).",
    _DISK,
)
DISK_SIZE = Metric("darkroom_disk_size_bytes", _G, _BOTH, "Size of these disks.", _DISK)
STORE_UP = Metric(
    "darkroom_store_up",
    _G,
    _STORES,
    "1 if the store answered this scrape within STORE_TIMEOUT; else 0, without its metrics.",
    {"store": ("mongodb", "redis")},
)
TASKS_WAITING = Metric(
    "darkroom_tasks_waiting", _G, _STORES, "Tasks that no worker has: status CREATED."
)
TASKS_RUNNING = Metric(
    "darkroom_tasks_running", _G, _STORES, "Tasks that a worker has: status STARTED."
)
OLDEST_WAITING = Metric(
    "darkroom_oldest_waiting_task_seconds",
    _G,
    _STORES,
    "Seconds since the oldest waiting task was submitted; 0: no task waits.",
)
LEASES_EXPIRED = Metric(
    "darkroom_leases_expired",
    _G,
    _STORES,
    "Tasks with an expired lease that no worker has claimed again.",
)
OLDEST_EXPIRED_LEASE = Metric(
    "darkroom_oldest_expired_lease_seconds",
    _G,
    _STORES,
    "Seconds since the first of these leases expired; 0: there is none.",
)
WEBHOOKS_DUE = Metric(
    "darkroom_webhooks_due", _G, _STORES, "Webhooks that are due for a first call or a retry."
)
OLDEST_DUE_WEBHOOK = Metric(
    "darkroom_oldest_due_webhook_seconds",
    _G,
    _STORES,
    "Seconds since the oldest of these was due; 0: there is none.",
)
TASKS_STORED = Metric("darkroom_tasks_stored", _G, _STORES, "Stored tasks, estimated.")
MONGODB_DATA_BYTES = Metric(
    "darkroom_mongodb_data_bytes", _G, _STORES, "Size on disk of Darkroom's data in MongoDB."
)
QUEUED_JOBS = Metric(
    "darkroom_queue_jobs",
    _G,
    _STORES,
    "Jobs in Redis: those of waiting tasks.",
)
LIVE_WORKERS = Metric("darkroom_workers", _G, _STORES, "Workers with a heartbeat in the last 6 s.")
SNAPSHOT_AGE = Metric(
    "darkroom_snapshot_age_seconds",
    _G,
    _STORES,
    "Seconds since the worker wrote the metrics that this scrape shows.",
    {"worker": ANY_VALUE},
)
SNAPSHOT_METRICS_REJECTED = Metric(
    "darkroom_snapshot_metrics_rejected",
    _G,
    _STORES,
    "Metrics in workers' snapshots that were rejected: another version, or damaged.",
)

METRICS: tuple[Metric, ...] = tuple(m for m in list(globals().values()) if isinstance(m, Metric))
