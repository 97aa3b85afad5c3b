"""Errors by code: their class, when each occurs, what its members mean, and its document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from models import errors
from models.errors import AppError, BadSettings, InternalError


def _classes(root: type[AppError]) -> dict[str, type[AppError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _classes(child)
    return found


BY_CODE: dict[str, type[AppError]] = _classes(AppError)


def from_document(document: dict[str, Any]) -> AppError:
    """Return the error of ``AppError.document``; an unknown code becomes InternalError."""
    facts = {k: v for k, v in document.items() if k not in {"code", "detail"}}
    kind = BY_CODE.get(str(document.get("code")), InternalError)
    return kind(str(document.get("detail", "")), **facts)


@dataclass(frozen=True)
class Member:
    """One member of an error's document: its JSON Schema and its meaning."""

    schema: dict[str, Any]
    meaning: str


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}

MEMBERS: dict[str, Member] = {
    "setting": Member(_TEXT, "the setting that holds the limit"),
    "scope": Member(_TEXT, "the scope that the key lacks"),
    "limit": Member({}, "the limit: a number, or one for each side"),
    "measured": Member({}, "the measured value, or the current one"),
    "parameter": Member(_TEXT, "the field or query parameter at fault"),
    "known": Member({"type": "array", "items": {}}, "values that would pass"),
    "field": Member(_TEXT, "the form field that is expected"),
    "accepted": Member(_TEXTS, "the formats that are accepted"),
    "allowed": Member(_TEXTS, "the methods or states that are allowed"),
    "task_id": Member(_TEXT, "id of the task"),
    "group_id": Member(_TEXT, "id of the group"),
    "task_status": Member(_TEXT, "the status of the task or group"),
    "done": Member(_COUNT, "pictures of the group that have ended"),
    "total": Member(_COUNT, "pictures of the group"),
    "results": Member(_TEXTS, "paths of all results, if the upload of this name has several"),
    "gone_at": Member(_TEXT, "when the bytes were removed"),
    "expired_at": Member(_TEXT, "when the link expired"),
    "image": Member(_COUNT, "number of the image, from 1"),
    "min_rate": Member(_COUNT, "required bytes a second of an upload"),
    "retry_after": Member(_COUNT, "seconds until a retry may succeed, as in Retry-After"),
    "store": Member({"enum": ["mongodb", "redis"]}, "the store that does not answer"),
    "engines": Member(_TEXTS, "the engines that were tried"),
    "attempts": Member(_COUNT, "number of attempts"),
    "exit_status": Member({"type": ["integer", "null"]}, "exit status of the process"),
    "incident": Member(_TEXT, "id of this incident in the log"),
}
"""All members by name; a test checks that errors are raised with no others."""

REFUSED = Member(
    {"type": "array", "items": {"type": "object"}},
    "if all of several pictures were refused: name, code and detail of each",
)
"""The member ``refused``, which any error of a submission may have."""


INPUT_ERRORS = frozenset(
    {"bad_image", "bad_parameter", "too_many_pixels", "too_much_memory", "unsupported_format"}
)
"""Codes of tasks that failed because of the picture or the request; they raise no alert."""


def codes() -> list[type[AppError]]:
    """Return the errors that can reach a client, in the order of the tree."""
    return [kind for kind in BY_CODE.values() if kind not in {AppError, BadSettings}]


def meaning(kind: type[AppError]) -> str:
    """Return when the error occurs, from the tree in ``models.errors``."""
    match = re.search(rf"── {kind.__name__} +(.+)$", errors.__doc__ or "", re.MULTILINE)
    return match.group(1) if match else ""
