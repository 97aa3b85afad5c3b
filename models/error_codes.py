"""Errors by code: find the class of a code, read an error back from its document."""

from __future__ import annotations

from typing import Any

from models.errors import AppError, InternalError


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
