"""What the client raises, all below ``DarkroomError``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darkroom.client.documents import Task

_OWN = ("type", "title", "status", "detail", "code")


class DarkroomError(Exception):
    """Anything that went wrong with a call; the text is for people."""


class Unreachable(DarkroomError):
    """The service does not answer, also after the client has tried again."""


class BadAnswer(DarkroomError):
    """The answer is not what a Darkroom sends, or a result is not what was announced."""


class StillRunning(DarkroomError):
    """The task or group has not ended within the seconds that the caller gave it."""


class NotVerified(DarkroomError):
    """A webhook has no valid signature, or is too old."""


class Problem(DarkroomError):
    """A refusal of the service (RFC 9457).

    ``code`` is stable and listed in docs/errors.md; ``members`` are the further ones of that code,
    such as ``limit`` and ``measured``. ``retry_after``: seconds after which it may succeed.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        status: int | None,
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        self.code = str(document.get("code", ""))
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", ""))
        self.status = status
        self.detail = str(document.get("detail", ""))
        self.members = {name: value for name, value in document.items() if name not in _OWN}
        self.retry_after = retry_after
        self.request_id = request_id
        super().__init__(self.detail or self.title or f"the service answered with status {status}")


class TaskFailed(Problem):
    """A task ended without a result. It has no status: the calls about it succeeded."""

    def __init__(self, task: Task) -> None:
        failure = task.error or {"code": "cancelled", "detail": "the task was cancelled"}
        code = failure.get("code", "")
        super().__init__({"type": f"urn:darkroom:error:{code}", **failure}, None)
        self.task = task
