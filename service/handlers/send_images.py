"""GET or POST /send_images/<group_id>: e-mail the results of a group once it has ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Literal
from weakref import WeakValueDictionary

from aiohttp import web

from models.errors import BadParameter, NotFound, RateLimited
from models.outbox import email as emails
from models.outbox.email import Email
from models.outbox.item import DeliveryStatus
from models.tasks.group import group_progress
from service.app_keys import STORE
from service.auth.identity import identity
from service.auth.rate_limit import count_call, count_email
from service.http.query import reject_unknown_query
from service.http.responses import json_response
from service.openapi.endpoint import ResponseSpec, endpoint
from service.openapi.error_groups import STORE_ERRORS
from service.schemas import EmailStatusBody

_RESEND_SECONDS = 3600  # before the same archive is sent again: a lost e-mail shows by then
_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Of concurrent calls for a group one queues the e-mail and counts; the others find it queued."""


@endpoint(
    "E-mail",
    "Send the results of a group by e-mail",
    description="To the address that was sent with the images, once all tasks have ended: as a zip "
    "file, or as a link if that is too large.",
    responses={202: ResponseSpec("The e-mail is queued, or was sent lately.", EmailStatusBody)},
    errors=(NotFound, BadParameter, RateLimited, *STORE_ERRORS),
    examples=("curl -X POST {url}/send_images/GROUP_ID",),
)
async def send(request: web.Request) -> web.StreamResponse:
    """Queue one e-mail; further calls return its state.

    The response never contains the address: a client that knows the group's ID need not know it.
    """
    reject_unknown_query(request)
    store = request.app[STORE]
    group_id = request.match_info["id"]
    found = await store.groups.find(group_id, identity(request).view)
    if found is None:
        raise NotFound("there is no group with this id")
    group, tasks = found
    if not group.email:
        raise BadParameter(
            "this group has no e-mail address; send one with its images, "
            "e.g. curl -F image=@cat.png -F email=ann@example.org",
            parameter="email",
        )
    draft = emails.archive_draft(group.id, group.email)
    async with _locks.setdefault(group.id, asyncio.Lock()):
        known = await store.emails.find_by_key(draft.key)
        if known is not None and _blocks_another(known):
            return _respond_known(group.id, known)
        await count_call(request, "MAIL_PER_CLIENT")
        address = await count_email(request, group.email)
        if not address.allowed:
            raise address.refusal("e-mails to this group's address")
        await store.emails.put(draft, resend_after=_RESEND_SECONDS)
    state = group_progress(group, tasks)
    detail = "the e-mail is queued"
    if not state.ended:
        detail = f"the e-mail is sent when all tasks have ended: {state.done} of {state.total} have"
    return _respond(group.id, "queued", detail)


def _blocks_another(known: Email) -> bool:
    """Return whether an e-mail prevents another one: it is queued, or was sent lately."""
    if known.status is DeliveryStatus.SENT and known.ended_at is not None:
        return (datetime.now(UTC) - known.ended_at).total_seconds() < _RESEND_SECONDS
    return known.status is DeliveryStatus.CREATED


def _respond_known(group_id: str, known: Email) -> web.Response:
    if known.status is DeliveryStatus.SENT and known.ended_at is not None:
        when = known.ended_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return _respond(group_id, "sent", f"the e-mail was sent at {when}; no second one is sent")
    detail = "the e-mail is queued already; no second one is sent"
    if known.troubles:
        detail += f"; the mail server was tried {known.troubles} times and will be tried again"
    return _respond(group_id, "queued", detail)


def _respond(group_id: str, status: Literal["queued", "sent"], detail: str) -> web.Response:
    body: EmailStatusBody = {"group_id": group_id, "status": status, "detail": detail}
    return json_response(body, 202)
