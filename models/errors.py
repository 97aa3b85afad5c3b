"""Everything that can go wrong, each with a code that clients may rely on.

    AppError
    ├── BadSettings          a setting is missing or wrong; the program does not start
    ├── BadRequest           the request is malformed or lacks something
    ├── Unauthorized         who asks has shown no key or token, or one that is not good
    ├── Forbidden            not from there, not for strangers, or not with this key
    │   └── LinkExpired      a signed link whose time is up
    ├── NotFound             no such task, result or route
    │   └── NotReady         known, but not finished
    ├── Misdirected          the Host header names another machine than this; see ALLOWED_HOSTS
    ├── MethodNotAllowed     there is something at this path, but not by this method
    ├── ResultGone           it was there, and its time is up
    ├── OriginalGone         the picture that was sent is no longer kept; send it again
    ├── Changed              it is not what If-Match says it should be
    ├── TooLarge             more bytes than a limit allows
    ├── HeadTooLarge         the address or the headers of a request are longer than allowed
    ├── TooManyConnections   as many connections are open as may be; close one, or try again
    ├── TooSlow              the upload took too long or stalled
    ├── UnsupportedFormat    not a format that is accepted
    ├── BadImage             broken, truncated or undecodable
    ├── TooManyPixels        more pixels than a limit allows, in or out
    ├── TooMuchMemory        it would take, or took, more memory than there is for it
    ├── BadParameter         a parameter is unknown or out of range
    │   └── BadCallback      a callback_url that is none, or is never called
    ├── RangeNotSatisfiable  bytes asked for that a result does not have
    ├── RateLimited          asked more often than a limit allows; try again later
    │   ├── QueueFull        as many tasks are open as may be; try again later
    │   └── TooManyStreams   as many event streams are open as may be; close one
    ├── NotFinished          the workers did not get to it in time; ask again
    ├── WrongStatus          not to be done to a task as far as it is: it has ended, or has not
    ├── Cancelled            the task was cancelled before it had a result
    ├── NotWritten           a result could not be written below IMAGES_ROOT
    ├── NoRoom               the service lacks disk or open files for now; try again
    ├── StoreUnavailable     MongoDB or Redis does not answer; try again
    ├── WeightsMissing       a worker lacks the network a task was promised
    ├── WeightsUnusable      no engine can run the network, or its file was changed
    ├── BadOutput            what a network made of a picture is not that picture
    ├── TaskTimeout          the pixel work ran past its deadline
    ├── WorkerCrashed        the process died at this task, as often as it may
    └── Internal             a defect of ours; the id is in the log

``service.http.errors`` is the one place that turns them into HTTP.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """An error with a stable ``code`` and a sentence that helps.

    ``facts`` (limit, measured, ...) go to the client beside the sentence, as JSON values; of those
    ``members`` it has what there is to say, see ``models.error_members``.
    """

    code: ClassVar[str] = "error"
    members: ClassVar[tuple[str, ...]] = ()

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    def document(self) -> dict[str, Any]:
        """Return what a task's document and a child's answer carry of this error."""
        return {"code": self.code, "detail": self.detail, **self.facts}


class BadSettings(AppError):
    code = "bad_settings"


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


class Misdirected(AppError):
    code = "misdirected"
    members = ("setting", "measured")


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    members = ("allowed",)


class Changed(AppError):
    code = "changed"
    members = ("measured",)


class TooLarge(AppError):
    code = "too_large"
    members = ("setting", "limit", "measured")


class HeadTooLarge(AppError):
    code = "head_too_large"
    members = ("setting", "limit")


class TooManyConnections(AppError):
    code = "too_many_connections"
    members = ("setting", "limit", "retry_after")


class TooSlow(AppError):
    code = "too_slow"
    members = ("limit", "measured", "min_rate")


class UnsupportedFormat(AppError):
    code = "unsupported_format"
    members = ("measured", "accepted")


class BadImage(AppError):
    code = "bad_image"
    members = ("limit",)


class TooManyPixels(AppError):
    code = "too_many_pixels"
    members = ("setting", "limit", "measured")


class TooMuchMemory(AppError):
    code = "too_much_memory"
    members = ("setting", "limit", "measured")


class BadParameter(AppError):
    code = "bad_parameter"
    members = ("parameter", "setting", "limit", "measured", "known")


class BadCallback(BadParameter):
    code = "bad_callback"
    members = ("parameter", "setting", "limit", "measured", "known")


class RangeNotSatisfiable(AppError):
    code = "range_not_satisfiable"
    members = ("measured",)


class RateLimited(AppError):
    code = "rate_limited"
    members = ("setting", "limit", "measured", "retry_after")


class QueueFull(RateLimited):
    code = "queue_full"
    members = ("setting", "limit", "measured", "retry_after")


class TooManyStreams(RateLimited):
    code = "too_many_streams"


class NotFinished(AppError):
    code = "not_finished"
    members = ("setting", "limit", "task_id")


class WrongStatus(AppError):
    code = "wrong_status"
    members = ("task_id", "measured", "allowed")


class Cancelled(AppError):
    code = "cancelled"


class NotWritten(AppError):
    code = "not_written"
    members = ("image",)


class NoRoom(AppError):
    code = "no_room"
    members = ("setting", "limit", "measured", "retry_after")


class StoreUnavailable(AppError):
    code = "store_unavailable"
    members = ("store",)


class WeightsMissing(AppError):
    code = "weights_missing"


class WeightsUnusable(AppError):
    code = "weights_unusable"


class BadOutput(AppError):
    code = "bad_output"
    members = ("engines",)


class TaskTimeout(AppError):
    code = "task_timeout"
    members = ("setting", "limit")


class WorkerCrashed(AppError):
    code = "worker_crashed"
    members = ("attempts", "exit_status")


class Internal(AppError):
    code = "internal"
    members = ("incident",)


def _tree(root: type[AppError]) -> dict[str, type[AppError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


BY_CODE: dict[str, type[AppError]] = _tree(AppError)


def from_document(document: dict[str, Any]) -> AppError:
    """Return the error that ``AppError.document`` described; an unknown code becomes Internal."""
    facts = {k: v for k, v in document.items() if k not in {"code", "detail"}}
    kind = BY_CODE.get(str(document.get("code")), Internal)
    return kind(str(document.get("detail", "")), **facts)
