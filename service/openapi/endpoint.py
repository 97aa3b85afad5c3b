"""Declare a handler's request and responses beside it; the OpenAPI document is built from this.

    @endpoint(
        "Tasks",
        "How far a task is",
        query=WAIT,
        responses={200: ResponseSpec("The task.", TaskBody, headers=("Location",))},
        errors=(NotFound, BadParameter, *STORE_ERRORS),
        examples=("curl '{url}/tasks/TASK_ID?wait=30'",),
    )
    async def show(request): ...

A handler that declares nothing fails ``tests/service/openapi/test_document.py``. Mark a handler
that is not part of the API with ``@unlisted("reason")``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from models.errors import AppError
from models.settings.uploads import UploadSettings

Handler = TypeVar("Handler", bound=Callable[..., Any])

Schema = dict[str, Any]
"""A JSON Schema, draft 2020-12."""

JSON = "application/json"
HTML = "text/html"
FORM = "multipart/form-data"
BYTES = "application/octet-stream"
"""Media type of a picture that is the whole body, whose own type is taken as well: generators of
clients know this one, and of a picture's say that they can make no call."""
URLENCODED = "application/x-www-form-urlencoded"


def parameter(description: str, **schema: Any) -> Schema:
    """Return a query parameter or header: text, unless ``schema`` says more.

    ``description`` may have the values of settings, see ``operation``: ``{MAX_WAIT}``.
    """
    return {"description": description, "schema": {"type": "string", **schema}}


@dataclass(frozen=True)
class ResponseSpec:
    """One response: its meaning and its body.

    ``body``: the type of the JSON, from which pydantic makes the schema; None: no JSON.
    ``media``: further media types. ``headers``: names, see ``headers.RESPONSE_HEADERS``.
    """

    description: str
    body: Any = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class BodySpec:
    """A request body: a type, or a function from settings to schema, by media type."""

    content: Mapping[str, type | Callable[[UploadSettings], Schema]]
    required: bool = True
    example: Any = None


@dataclass(frozen=True)
class Endpoint:
    """The declaration of a handler, which may serve several routes.

    ``query``: its parameters by name, see ``parameter``; others are refused, unless ``any_query``
    ignores them. ``headers``: names of request headers, see ``headers.REQUEST_HEADERS``.
    ``errors``: all but ``InternalError``, which any route may answer. ``html_errors``: browsers get
    errors as HTML. ``examples``: commands with ``{url}`` for the service and TASK_ID, GROUP_ID,
    NAME or WORKER for values from an earlier response; the tests run them. ``picture_query``: while
    a picture is the body, the query has the fields of its form, and the handler checks them.
    """

    tag: str
    summary: str
    responses: Mapping[int, ResponseSpec]
    description: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    any_query: bool = False
    headers: tuple[str, ...] = ()
    body: BodySpec | None = None
    errors: tuple[type[AppError], ...] = ()
    examples: tuple[str, ...] = ()
    html_errors: bool = False
    picture_query: bool = False

    @property
    def body_types(self) -> list[Any]:
        """The types of the JSON in responses and request."""
        types = [answer.body for answer in self.responses.values() if answer.body is not None]
        content = self.body.content.values() if self.body else ()
        return types + [kind for kind in content if isinstance(kind, type)]


_DECLARED: WeakKeyDictionary[Callable[..., Any], Endpoint | str] = WeakKeyDictionary()


def endpoint(
    tag: str, summary: str, *, responses: Mapping[int, ResponseSpec], **more: Any
) -> Callable[[Handler], Handler]:
    """Declare a handler's request and responses; see ``Endpoint``."""
    return _declare(Endpoint(tag, summary, responses, **more))


def unlisted(reason: str) -> Callable[[Handler], Handler]:
    """Leave a handler out of the OpenAPI document, with the reason."""
    return _declare(reason)


def _declare(declaration: Endpoint | str) -> Callable[[Handler], Handler]:
    def declare(handler: Handler) -> Handler:
        _DECLARED[handler] = declaration
        return handler

    return declare


def declaration_of(handler: Callable[..., Any]) -> Endpoint | str | None:
    """Return what ``handler`` declares, or the reason why it is unlisted; None: neither."""
    return _DECLARED.get(handler)
