"""/subscribe, /unsubscribe: newsletter with double opt-in; responses do not reveal subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from models.auth.tokens import CONFIRM_SECONDS, Purpose
from models.errors import BadParameter, BadRequest, RateLimited
from models.outbox import email as emails
from models.outbox.email_address import MAX_CHARACTERS, parse_email_address
from service.app_keys import STORE, TOKENS
from service.auth.rate_limit import count_call, count_email
from service.http.responses import json_response
from service.openapi.endpoint import (
    FORM,
    HTML,
    JSON,
    URLENCODED,
    BodySpec,
    ResponseSpec,
    endpoint,
    parameter,
)
from service.openapi.error_groups import FORM_ERRORS, STORE_ERRORS
from service.pages.language import language_of
from service.pages.render import notice_page, wants_page
from service.schemas import StatusBody
from service.uploads.small_form import read_fields

_MIN_RESPONSE_SECONDS = 0.1  # longer than the work, whose duration depends on the address
# As long as a link can be valid: delivery of the e-mail may be retried until it is given up.
_KEEP_SECONDS = emails.GIVE_UP_SECONDS + CONFIRM_SECONDS
_ONE_CLICK = "One-Click"
_SUBSCRIBE_DETAIL = (
    "an e-mail with a link is sent to this address, unless it is subscribed already or got "
    "several e-mails within the hour; the newsletter starts when the link is opened and its "
    "button pressed"
)
_UNSUBSCRIBE_DETAIL = (
    "this address gets no newsletter (any more); if it did, a last e-mail confirms it"
)
_ONE_CLICK_DETAIL = "You get no more newsletters. One that is being sent may still arrive."


@with_config(extra="forbid")
class SubscribeForm(TypedDict):
    """The form of POST /subscribe."""

    email: Annotated[str, Field(max_length=MAX_CHARACTERS, json_schema_extra={"format": "email"})]


@with_config(extra="forbid")
class UnsubscribeForm(TypedDict, total=False):
    """An address; or, with a token in the query, the one-click form of RFC 8058."""

    email: Annotated[str, Field(max_length=MAX_CHARACTERS, json_schema_extra={"format": "email"})]
    one_click: Annotated[Literal["One-Click"], Field(alias="List-Unsubscribe")]


_TOKEN = {"token": parameter("From an e-mail.")}


@endpoint(
    "E-mail",
    "Subscribe to the weekly newsletter",
    description="Double opt-in; the response is the same for every address.",
    body=BodySpec(dict.fromkeys((FORM, URLENCODED, JSON), SubscribeForm)),
    responses={202: ResponseSpec("An e-mail with a link is sent.", StatusBody)},
    errors=(*FORM_ERRORS, RateLimited, *STORE_ERRORS),
    examples=("curl -F email=ann@example.org {url}/subscribe",),
)
async def subscribe(request: web.Request) -> web.StreamResponse:
    """POST /subscribe: start a double opt-in; the response is the same for every address."""
    to = await _address(request)
    await count_call(request, "MAIL_PER_CLIENT")
    await _in_constant_time(_start_opt_in(request, to))
    return json_response({"status": "accepted", "detail": _SUBSCRIBE_DETAIL}, 202)


async def _start_opt_in(request: web.Request, to: str) -> None:
    store = request.app[STORE]
    if not (await count_email(request, to)).allowed:
        return
    subscriber = await store.subscribers.get_or_create(to, _KEEP_SECONDS)
    if not subscriber.confirmed:
        await store.emails.put(emails.confirmation_draft(subscriber.id, to), resend_after=0)


_page_endpoint = partial(
    endpoint,
    "E-mail",
    description="For the link in an e-mail. Opening it changes nothing: mail scanners open links.",
    query=_TOKEN,
    responses={200: ResponseSpec("The page.", media=(HTML,))},
    errors=(BadParameter,),
    html_errors=True,
)


@_page_endpoint("Show the page that confirms a subscription")
async def confirm_page(request: web.Request) -> web.StreamResponse:
    """GET /subscribe/confirm?token=: only a page with a button, as mail scanners open links."""
    _subscriber_id(request, Purpose.CONFIRM)
    say = language_of(request)
    title, detail = say("notice.newsletter"), say("notice.subscribe")
    return notice_page(say, title, detail, button=say("notice.subscribe_yes"))


@endpoint(
    "E-mail",
    "Confirm a subscription",
    query=_TOKEN,
    responses={200: ResponseSpec("Subscribed.", StatusBody, media=(HTML,))},
    errors=(BadParameter, *STORE_ERRORS),
    html_errors=True,
)
async def confirm(request: web.Request) -> web.StreamResponse:
    """POST /subscribe/confirm?token=: subscribe the address that got the token."""
    subscriber_id = _subscriber_id(request, Purpose.CONFIRM)
    if not await request.app[STORE].subscribers.confirm(subscriber_id):
        raise BadParameter(
            "this subscription was not requested lately; subscribe again", parameter="token"
        )
    return _done_response(request, "subscribed", "You will get the weekly newsletter.")


@_page_endpoint("Show the page that unsubscribes")
async def unsubscribe_page(request: web.Request) -> web.StreamResponse:
    """GET /unsubscribe?token=: only a page with a button, as mail scanners open links."""
    _subscriber_id(request, Purpose.UNSUBSCRIBE)
    say = language_of(request)
    title, detail = say("notice.newsletter"), say("notice.unsubscribe")
    return notice_page(say, title, detail, button=say("notice.unsubscribe_yes"), one_click=True)


@endpoint(
    "E-mail",
    "Unsubscribe from the newsletter",
    description="By address, or by the token of an e-mail (one-click, RFC 8058).",
    query=_TOKEN,
    body=BodySpec(dict.fromkeys((FORM, URLENCODED, JSON), UnsubscribeForm)),
    responses={
        200: ResponseSpec("Unsubscribed; the same for every address.", StatusBody, media=(HTML,))
    },
    errors=(*FORM_ERRORS, RateLimited, *STORE_ERRORS),
    html_errors=True,
    examples=("curl -F email=ann@example.org {url}/unsubscribe",),
)
async def unsubscribe(request: web.Request) -> web.StreamResponse:
    """POST /unsubscribe: by address, or by the token of an e-mail (one-click, RFC 8058)."""
    if "token" in request.query:
        return await _one_click(request)
    address = await _address(request)
    await count_call(request, "MAIL_PER_CLIENT")
    await _in_constant_time(_unsubscribe(request, address))
    return json_response({"status": "unsubscribed", "detail": _UNSUBSCRIBE_DETAIL}, 200)


async def _unsubscribe(request: web.Request, address: str) -> None:
    store = request.app[STORE]
    subscriber = await store.subscribers.find_by_address(address)
    if subscriber is None or not subscriber.confirmed:
        return
    # The e-mail first: a retry after a failure in between does both, each once.
    await store.emails.put(emails.goodbye_draft(subscriber.id, address, subscriber.confirmed_at))
    await store.subscribers.unsubscribe(subscriber.id, _KEEP_SECONDS)


async def _one_click(request: web.Request) -> web.StreamResponse:
    """Unsubscribe the address that got the e-mail, without a goodbye e-mail to it."""
    store = request.app[STORE]
    subscriber_id = _subscriber_id(request, Purpose.UNSUBSCRIBE)
    fields = await read_fields(request, "List-Unsubscribe")
    if fields.get("List-Unsubscribe") != _ONE_CLICK:
        raise BadParameter(
            f"send the form field List-Unsubscribe={_ONE_CLICK} (RFC 8058)",
            parameter="List-Unsubscribe",
            known=[_ONE_CLICK],
        )
    await store.subscribers.unsubscribe(subscriber_id, _KEEP_SECONDS)
    return _done_response(request, "unsubscribed", _ONE_CLICK_DETAIL)


async def _address(request: web.Request) -> str:
    fields = await read_fields(request, "email")
    if "email" not in fields:
        raise BadRequest("send the address as the field email, e.g. curl -F email=ann@example.org")
    return parse_email_address(fields["email"])


def _subscriber_id(request: web.Request, purpose: Purpose) -> str:
    return request.app[TOKENS].read_subscriber_token(purpose, request.query.get("token", ""))


async def _in_constant_time(work: Awaitable[None]) -> None:
    """Await ``work`` and at least _MIN_RESPONSE_SECONDS, so that the time reveals nothing."""
    await asyncio.gather(work, asyncio.sleep(_MIN_RESPONSE_SECONDS))


def _done_response(request: web.Request, status: str, detail: str) -> web.Response:
    if wants_page(request):
        say = language_of(request)
        return notice_page(say, say("notice.done"), say(f"notice.{status}"))
    return json_response({"status": status, "detail": detail}, 200)
