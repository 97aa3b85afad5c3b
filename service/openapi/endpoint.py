"""What a handler says of itself beside its code: a typed declaration, from which documents come.

    @call(
        "Tasks",
        "How far a task is",
        query=Waiting,
        answers={200: Answer("The task.", TaskBody, headers=("Location",))},
        errors=(NotFound, BadParameter, *STORED),
        examples=("curl '{url}/tasks/TASK_ID?wait=30'",),
    )
    async def show(request): ...

A route whose handler declares nothing fails ``tests/service/openapi/test_document.py``; one that is no part of the
API says so with ``unlisted("why")``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import unwrap
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from models.errors import AppError
from models.settings import Settings

H = TypeVar("H", bound=Callable[..., Any])

Schema = dict[str, Any]
"""A JSON Schema, draft 2020-12."""

JSON = "application/json"
HTML = "text/html"
FORM = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """One status: what it means and what its body is.

    ``body``: a type of which pydantic makes the schema of the JSON; None: there is no JSON.
    ``media``: further media types of the same answer. ``headers``: names, see ``headers.ANSWERED``.
    """

    description: str
    body: Any = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Body:
    """What a request carries, by media type: a type, or what makes the schema of the settings."""

    content: Mapping[str, type | Callable[[Settings], Schema]]
    required: bool = True
    example: Any = None


@dataclass(frozen=True)
class Call:
    """One kind of request; a handler that serves several routes is told of once.

    ``query`` and ``headers`` are TypedDicts whose keys are the parameters. ``errors`` are those
    beside a defect of ours, which every route may answer with. ``pages``: people get the refusals
    of this route as HTML, too. ``examples`` are commands with
    ``{url}`` for where the service is and TASK_ID, GROUP_ID, NAME or WORKER for what an earlier
    answer said; the tests run them.
    """

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    query: Any = None
    headers: Any = None
    body: Body | None = None
    errors: tuple[type[AppError], ...] = ()
    examples: tuple[str, ...] = ()
    pages: bool = False
    path: Mapping[str, str] = field(default_factory=dict)
    """Descriptions of what stands in the path, where ``document.PATH`` has no fitting one."""


_CALLS: WeakKeyDictionary[Callable[..., Any], Call] = WeakKeyDictionary()
_UNLISTED: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()


def call(tag: str, summary: str, *, answers: Mapping[int, Answer], **more: Any) -> Callable[[H], H]:
    """Declare what a handler takes and answers; see ``Call``."""

    def declare(handler: H) -> H:
        _CALLS[handler] = Call(tag, summary, answers, **more)
        return handler

    return declare


def unlisted(reason: str) -> Callable[[H], H]:
    """Declare that a handler is no part of the API, and why."""

    def declare(handler: H) -> H:
        _UNLISTED[handler] = reason
        return handler

    return declare


def declared(handler: Callable[..., Any]) -> Call | None:
    """Return what ``handler`` declared, if it did."""
    return _CALLS.get(unwrap(handler))


def why_unlisted(handler: Callable[..., Any]) -> str | None:
    """Return why ``handler`` is left out of the document; None if it is not."""
    return _UNLISTED.get(unwrap(handler))
