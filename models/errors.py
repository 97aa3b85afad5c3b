"""Every error of Darkroom, each with a stable code that clients can rely on.

    AppError
    ├── BadSettings            a setting is missing or wrong; the program does not start
    ├── BadRequest             the request is malformed or incomplete
    ├── Unauthorized           the key or token is missing or wrong
    ├── Forbidden              not allowed from this site or address, or with this key
    │   └── LinkExpired        a signed link has expired
    ├── NotFound               there is no such task, result or route
    │   └── NotReady           the task exists, but has not finished
    ├── MisdirectedRequest     the Host header names another machine; see ALLOWED_HOSTS
    ├── MethodNotAllowed       this path exists, but not for this method
    ├── ResultGone             the result was deleted or has expired
    ├── OriginalGone           the picture that was sent is no longer stored; send it again
    ├── PreconditionFailed     the result is not the one that If-Match or If-Unmodified-Since names
    ├── TooLarge               there are more bytes than a limit allows
    ├── RequestHeadTooLarge    the path or the headers of a request are longer than allowed
    ├── TooManyConnections     the limit of open connections is reached; close one, or try again
    ├── UploadTooSlow          the upload took too long or stalled
    ├── UnsupportedFormat      the format is not accepted
    ├── BadImage               the picture is broken, truncated or cannot be decoded
    ├── TooManyPixels          the input or the result has more pixels than a limit allows
    ├── TooMuchMemory          the task needs, or used, more memory than there is for it
    ├── TooMuchWork            the task would take longer than a task may
    ├── BadParameter           a parameter is unknown or out of range
    │   ├── BadCallbackUrl     the callback_url or deliver_url is malformed or never called
    │   └── BadImageUrl        the image_url is malformed, is not fetched, or brings no picture
    ├── RangeNotSatisfiable    the result does not have the bytes of this range
    ├── RateLimited            there were more requests than a limit allows; try again later
    │   ├── QueueFull          the limit of open tasks is reached; try again later
    │   └── TooManyStreams     the limit of open event streams is reached; close one
    ├── WaitTimedOut           the workers did not finish in time; ask again
    ├── WrongStatus            the task's status does not allow this
    ├── TaskCancelled          the task was cancelled before it had a result
    ├── ResultNotWritten       a result could not be written below IMAGES_ROOT
    ├── InsufficientResources  the service lacks disk space or open files for now; try again
    ├── StoreUnavailable       MongoDB or Redis does not answer; try again
    ├── WeightsMissing         a worker lacks the network that the task needs
    ├── NoCapableWorker        no worker has what the task needs, for an hour
    ├── WeightsUnusable        no engine can run the network, or its file was changed
    ├── BadOutput              the network's output does not match the picture
    ├── TaskTimeout            the pixel work took longer than its limit
    ├── WorkerCrashed          the worker process died at this task too many times
    └── InternalError          a defect of Darkroom; the incident's id is in the log

``service.http.errors`` is the only place that turns them into HTTP responses.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """An error with a stable ``code`` and a sentence, ``detail``, for the client.

    ``facts`` go to the client as JSON members; ``members`` are those that a class may have.
    """

    code: ClassVar[str] = "error"
    members: ClassVar[tuple[str, ...]] = ()

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    def document(self) -> dict[str, Any]:
        """Return this error as JSON, for a task's document or a child's response."""
        return {"code": self.code, "detail": self.detail, **self.facts}


class BadSettings(AppError):
    code = "bad_settings"
    members = ("measured", "limit")


class BadRequest(AppError):
    code = "bad_request"
    members = ("setting", "limit", "measured", "field")


class Unauthorized(AppError):
    code = "unauthorized"


class Forbidden(AppError):
    code = "forbidden"
    members: ClassVar[tuple[str, ...]] = ("setting", "scope")


class LinkExpired(Forbidden):
    code = "link_expired"
    members = ("expired_at",)


class NotFound(AppError):
    code = "not_found"
    members = ("task_id", "group_id", "results", "setting")


class NotReady(NotFound):
    code = "not_ready"
    members = ("task_id", "task_status", "done", "total")


class ResultGone(AppError):
    code = "result_gone"
    members = ("setting", "limit", "task_id", "gone_at")


class OriginalGone(AppError):
    code = "original_gone"
    members = ("setting", "limit", "task_id")


class MisdirectedRequest(AppError):
    code = "misdirected"
    members = ("setting", "measured")


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    members = ("allowed",)


class PreconditionFailed(AppError):
    code = "changed"
    members = ("measured",)


class TooLarge(AppError):
    code = "too_large"
    members = ("setting", "limit", "measured")


class RequestHeadTooLarge(AppError):
    code = "head_too_large"
    members = ("limit",)


class TooManyConnections(AppError):
    code = "too_many_connections"
    members = ("setting", "limit", "retry_after")


class UploadTooSlow(AppError):
    code = "too_slow"
    members = ("limit", "measured", "min_rate")


class UnsupportedFormat(AppError):
    code = "unsupported_format"
    members = ("measured", "accepted")


class BadImage(AppError):
    code = "bad_image"
    members = ("limit", "measured")


class TooManyPixels(AppError):
    code = "too_many_pixels"
    members = ("setting", "limit", "measured")


class TooMuchMemory(AppError):
    code = "too_much_memory"
    members = ("setting", "limit", "measured")


class TooMuchWork(AppError):
    code = "too_much_work"
    members = ("setting", "limit", "measured")


class BadParameter(AppError):
    code = "bad_parameter"
    members = ("parameter", "setting", "limit", "measured", "known")


class BadCallbackUrl(BadParameter):
    code = "bad_callback"


class BadImageUrl(BadParameter):
    code = "bad_image_url"


class RangeNotSatisfiable(AppError):
    code = "range_not_satisfiable"
    members = ("measured",)


class RateLimited(AppError):
    code = "rate_limited"
    members = ("setting", "limit", "measured", "retry_after")


class QueueFull(RateLimited):
    code = "queue_full"


class TooManyStreams(RateLimited):
    code = "too_many_streams"


class WaitTimedOut(AppError):
    code = "not_finished"
    members = ("setting", "limit", "task_id")


class WrongStatus(AppError):
    code = "wrong_status"
    members = ("task_id", "measured", "allowed")


class TaskCancelled(AppError):
    code = "cancelled"


class ResultNotWritten(AppError):
    code = "not_written"
    members = ("image",)


class InsufficientResources(AppError):
    code = "no_room"
    members = ("setting", "limit", "measured", "retry_after")


class StoreUnavailable(AppError):
    code = "store_unavailable"
    members = ("store",)


class WeightsMissing(AppError):
    code = "weights_missing"


class WeightsUnusable(AppError):
    code = "weights_unusable"


class NoCapableWorker(AppError):
    code = "no_capable_worker"


class BadOutput(AppError):
    code = "bad_output"
    members = ("engines",)


class TaskTimeout(AppError):
    code = "task_timeout"
    members = ("setting", "limit")


class WorkerCrashed(AppError):
    code = "worker_crashed"
    members = ("attempts", "exit_status")


class InternalError(AppError):
    code = "internal"
    members = ("incident",)
