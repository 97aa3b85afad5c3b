"""The newsletter's door: in by two steps, out by one; nobody learns who is inside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from models.auth.tokens import Purpose
from models.errors import BadParameter, BadRequest, RateLimited
from models.outbox import email as letters
from models.outbox.email_address import LONGEST, address
from service.app_keys import SETTINGS, STORE, TOKENS
from service.http.client_ip import admit, may_write_to
from service.http.errors import STATUS
from service.http.query import only
from service.http.responses import json_answer
from service.openapi.endpoint import FORM, HTML, JSON, URLENCODED, Answer, Body, call
from service.openapi.error_groups import FORM as REFUSALS
from service.openapi.error_groups import STORED
from service.pages.render import page, wants_page
from service.schemas import Notice
from service.uploads.small_form import read_fields

_FLOOR = 0.1  # seconds an answer takes at least: longer than the work, which differs by address
_ONE_CLICK = "One-Click"
_ASKED = (
    "a letter with a link is on its way to this address, unless it is subscribed already or was "
    "sent several letters within the hour; the newsletter begins when the link is opened and its "
    "button pressed"
)
_LEFT = "this address gets no newsletter (any more); if it did, a last letter says so"
_GONE = "You get no more newsletters. It may take a few minutes until the last one is stopped."


@with_config(extra="forbid")
class Address(TypedDict):
    """Whose newsletter it is about."""

    email: Annotated[str, Field(max_length=LONGEST, json_schema_extra={"format": "email"})]


@with_config(extra="forbid")
class Leaving(TypedDict, total=False):
    """An address; or, with a letter's token in the query, what RFC 8058 asks mailboxes to send."""

    email: Annotated[str, Field(max_length=LONGEST, json_schema_extra={"format": "email"})]
    one_click: Annotated[Literal["One-Click"], Field(alias="List-Unsubscribe")]


class _Lettered(TypedDict, total=False):
    """The query of a link in a letter."""

    token: Annotated[str, Field(description="From a letter.")]


@call(
    "E-mail",
    "Ask for the weekly newsletter",
    description="Double opt-in; the answer is the same for every address.",
    body=Body(dict.fromkeys((FORM, URLENCODED, JSON), Address)),
    answers={202: Answer("A letter with a link is on its way.", Notice)},
    errors=(*REFUSALS, RateLimited, *STORED),
    examples=("curl -F email=ann@example.org {url}/subscribe",),
)
async def subscribe(request: web.Request) -> web.StreamResponse:
    """POST /subscribe: begin a double opt-in; the answer is the same for every address."""
    only(request)
    to = await _address(request)
    await admit(request)
    await _in_equal_time(_ask(request, to))
    return json_answer({"status": "accepted", "detail": _ASKED}, 202)


async def _ask(request: web.Request, to: str) -> None:
    settings, store = request.app[SETTINGS], request.app[STORE]
    if await may_write_to(request, to):
        return
    # As long as a link can be good: the letter may wait for its server until it is given up.
    keep = settings.mail_give_up + settings.confirm_ttl
    subscriber = await store.subscribers.ask(to, keep)
    if not subscriber.confirmed:
        await store.mail.put(letters.confirm(subscriber.id, to), again=0)


@call(
    "E-mail",
    "The page with the button that subscribes",
    description="For people, from a letter. To open it does nothing: mail scanners open links.",
    query=_Lettered,
    answers={200: Answer("The page.", media=(HTML,))},
    errors=(BadParameter,),
    pages=True,
)
async def confirm_page(request: web.Request) -> web.StreamResponse:
    """GET /subscribe/confirm?token=: only a page with a button, as mail scanners open links."""
    try:
        _subscriber_id(request, Purpose.CONFIRM)
    except BadParameter as error:
        return _refusal_page(error)
    detail = "Press the button to get the weekly newsletter of Darkroom."
    return page(
        "notice.html", title="The newsletter", detail=detail, button="Subscribe", one_click=False
    )


@call(
    "E-mail",
    "Subscribe whom a letter's token was sent to",
    query=_Lettered,
    answers={200: Answer("Subscribed.", Notice, media=(HTML,))},
    errors=(BadParameter, *STORED),
    pages=True,
)
async def confirm(request: web.Request) -> web.StreamResponse:
    """POST /subscribe/confirm?token=: subscribe whom the token was sent to."""
    try:
        subscriber_id = _subscriber_id(request, Purpose.CONFIRM)
        if not await request.app[STORE].subscribers.confirm(subscriber_id):
            raise BadParameter(
                "nobody asked for the newsletter by this link lately; subscribe anew",
                parameter="token",
            )
    except BadParameter as error:
        if wants_page(request):
            return _refusal_page(error)
        raise
    return _done(request, "subscribed", "You will get the weekly newsletter.")


@call(
    "E-mail",
    "The page with the button that unsubscribes",
    description="For people, from a letter. To open it does nothing: mail scanners open links.",
    query=_Lettered,
    answers={200: Answer("The page.", media=(HTML,))},
    errors=(BadParameter,),
    pages=True,
)
async def unsubscribe_page(request: web.Request) -> web.StreamResponse:
    """GET /unsubscribe?token=: only a page with a button, as mail scanners open links."""
    try:
        _subscriber_id(request, Purpose.UNSUBSCRIBE)
    except BadParameter as error:
        return _refusal_page(error)
    detail = "Press the button to get no more newsletters of Darkroom."
    return page(
        "notice.html", title="The newsletter", detail=detail, button="Unsubscribe", one_click=True
    )


@call(
    "E-mail",
    "Get no more newsletters",
    description="By address, or by the token of a letter (RFC 8058's one click).",
    query=_Lettered,
    body=Body(dict.fromkeys((FORM, URLENCODED, JSON), Leaving)),
    answers={200: Answer("Unsubscribed; the same for every address.", Notice, media=(HTML,))},
    errors=(*REFUSALS, RateLimited, *STORED),
    pages=True,
    examples=("curl -F email=ann@example.org {url}/unsubscribe",),
)
async def unsubscribe(request: web.Request) -> web.StreamResponse:
    """POST /unsubscribe: by address, or by the token of a letter (RFC 8058's one click)."""
    if "token" in request.query:
        return await _one_click(request)
    only(request, "token")
    gone = await _address(request)
    await admit(request)
    await _in_equal_time(_leave(request, gone))
    return json_answer({"status": "unsubscribed", "detail": _LEFT}, 200)


async def _leave(request: web.Request, gone: str) -> None:
    settings, store = request.app[SETTINGS], request.app[STORE]
    subscriber = await store.subscribers.find(gone)
    if subscriber is None or not subscriber.confirmed:
        return
    # The letter first: asked again after a failure in between, both are done, and each once.
    await store.mail.put(letters.goodbye(subscriber.id, gone, subscriber.confirmed_at))
    await store.subscribers.leave(subscriber.id, settings.mail_give_up + settings.confirm_ttl)


async def _one_click(request: web.Request) -> web.StreamResponse:
    """Unsubscribe whoever got the letter; no goodbye: the click came from their own mailbox."""
    settings, store = request.app[SETTINGS], request.app[STORE]
    try:
        subscriber_id = _subscriber_id(request, Purpose.UNSUBSCRIBE)
        fields = await read_fields(request, "List-Unsubscribe")
        if fields.get("List-Unsubscribe") != _ONE_CLICK:
            raise BadParameter(
                f"send the form field List-Unsubscribe={_ONE_CLICK} (RFC 8058)",
                parameter="List-Unsubscribe",
                known=[_ONE_CLICK],
            )
    except BadParameter as error:
        if wants_page(request):
            return _refusal_page(error)
        raise
    await store.subscribers.leave(subscriber_id, settings.mail_give_up + settings.confirm_ttl)
    return _done(request, "unsubscribed", _GONE)


async def _address(request: web.Request) -> str:
    fields = await read_fields(request, "email")
    if "email" not in fields:
        raise BadRequest("send the address as the field email, e.g. curl -F email=ann@example.org")
    return address(fields["email"])


def _subscriber_id(request: web.Request, purpose: Purpose) -> str:
    only(request, "token")
    return request.app[TOKENS].read(purpose, request.query.get("token", ""))


async def _in_equal_time(work: Awaitable[None]) -> None:
    """Do the work and answer after _FLOOR seconds: how long it took tells nothing."""
    await asyncio.gather(work, asyncio.sleep(_FLOOR))


def _done(request: web.Request, status: str, detail: str) -> web.Response:
    if wants_page(request):
        return page("notice.html", title="Done", detail=detail, button="", one_click=False)
    return json_answer({"status": status, "detail": detail}, 200)


def _refusal_page(error: BadParameter) -> web.Response:
    return page(
        "notice.html",
        status=STATUS[BadParameter],
        title="This link does not work",
        detail=f"{error.detail[0].upper()}{error.detail[1:]}.",
        button="",
        one_click=False,
    )
