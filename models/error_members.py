"""What the errors tell beside their sentence: when each comes, and what its members mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from models import errors
from models.errors import BY_CODE, AppError, BadSettings


@dataclass(frozen=True)
class Member:
    """One member of an error's document: its JSON Schema and what it says."""

    schema: dict[str, Any]
    meaning: str


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}

MEMBERS: dict[str, Member] = {
    "setting": Member(_TEXT, "the setting that holds the limit"),
    "scope": Member(_TEXT, "the scope that the key lacks"),
    "limit": Member({}, "what is allowed: a number, or one for each side"),
    "measured": Member({}, "what came instead, or what it is now"),
    "parameter": Member(_TEXT, "the field or query parameter at fault"),
    "known": Member({"type": "array"}, "what would pass, or what there is"),
    "field": Member(_TEXT, "the form field that is expected"),
    "accepted": Member(_TEXTS, "the formats that are accepted"),
    "allowed": Member(_TEXTS, "the methods or states that are allowed"),
    "task_id": Member(_TEXT, "the task it is about"),
    "group_id": Member(_TEXT, "the group it is about"),
    "task_status": Member(_TEXT, "the status of the task or group"),
    "done": Member(_COUNT, "pictures of the group that have ended"),
    "total": Member(_COUNT, "pictures of the group"),
    "results": Member(_TEXTS, "paths of the results that an upload's name stands for"),
    "gone_at": Member(_TEXT, "when the bytes were let go of"),
    "expired_at": Member(_TEXT, "when the link's time was up"),
    "image": Member(_COUNT, "number of the image, from 1"),
    "min_rate": Member(_COUNT, "bytes a second that are asked of an upload"),
    "retry_after": Member(_COUNT, "seconds until it may work, as in Retry-After"),
    "store": Member({"enum": ["mongodb", "redis"]}, "the store that does not answer"),
    "engines": Member(_TEXTS, "the engines that tried"),
    "attempts": Member(_COUNT, "how often it was tried"),
    "exit_status": Member({"type": ["integer", "null"]}, "how the process ended"),
    "incident": Member(_TEXT, "the id under which the log has it"),
}
"""Every member by its name; that errors are raised with no other is tested."""

REFUSED = Member(
    {"type": "array", "items": {"type": "object"}},
    "of several pictures of which all were refused: name, code and detail of each",
)
"""``refused``, which any error of a submission may have."""


THEIRS = frozenset(
    {"bad_image", "bad_parameter", "too_many_pixels", "too_much_memory", "unsupported_format"}
)
"""Codes of tasks that failed by the picture's or the request's own fault: nobody is woken."""


def codes() -> list[type[AppError]]:
    """Return the errors that can reach a client, in the order of their tree."""
    return [kind for kind in BY_CODE.values() if kind not in {AppError, BadSettings}]


def meaning(kind: type[AppError]) -> str:
    """Return when the error comes, as the tree in ``models.errors`` says."""
    found = re.search(rf"── {kind.__name__} +(.+)$", errors.__doc__ or "", re.MULTILINE)
    return found.group(1) if found else ""
