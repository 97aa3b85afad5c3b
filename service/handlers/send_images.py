"""GET or POST /send_images/<group_id>: e-mail the results of a group once it has ended."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal
from weakref import WeakValueDictionary

from aiohttp import web

from models.errors import BadParameter, NotFound, RateLimited
from models.outbox import email as emails
from models.outbox.email import Email
from models.outbox.item import DeliveryStatus
from models.tasks.group import group_progress
from models.tasks.serializers import iso
from service.app_keys import STORE
from service.auth.identity import identity
from service.auth.rate_limit import count_call, count_email
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
        if known is not None and (refusal := _no_second(known, await store.health.now())):
            return _respond(group.id, *refusal)
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


def _no_second(known: Email, now: datetime) -> tuple[Literal["queued", "sent"], str] | None:
    """Return why no second e-mail is sent: one is queued, or was sent lately; None: one may be."""
    if known.status is DeliveryStatus.CREATED:
        detail = "the e-mail is queued already; no second one is sent"
        if known.troubles:
            detail += f"; the mail server was tried {known.troubles} times and will be tried again"
        return "queued", detail
    if known.status is not DeliveryStatus.SENT or known.ended_at is None:
        return None
    if (now - known.ended_at).total_seconds() >= _RESEND_SECONDS:
        return None
    return "sent", f"the e-mail was sent at {iso(known.ended_at)}; no second one is sent"


def _respond(group_id: str, status: Literal["queued", "sent"], detail: str) -> web.Response:
    body: EmailStatusBody = {"group_id": group_id, "status": status, "detail": detail}
    return json_response(body, 202)
