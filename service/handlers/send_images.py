"""GET or POST /send_images/<group_id>: the group's results by e-mail, when it has ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from aiohttp import web

from models.errors import BadParameter, NotFound, RateLimited
from models.outbox import email as letters
from models.outbox.email import Letter
from models.outbox.item import Mailing
from models.tasks.group import standing
from service.app_keys import SETTINGS, STORE
from service.auth.identity import caller
from service.http.client_ip import admit, quota_of
from service.http.query import only
from service.http.responses import json_answer
from service.openapi.endpoint import Answer, call
from service.openapi.error_groups import STORED
from service.schemas import LetterBody


@call(
    "E-mail",
    "Send the results of a group by e-mail",
    description="To the address that came with the pictures, when all of them are done: as a zip "
    "file, or as a link where it is too large.",
    answers={202: Answer("The letter waits, or was sent lately.", LetterBody)},
    errors=(NotFound, BadParameter, RateLimited, *STORED),
    examples=("curl -X POST {url}/send_images/GROUP_ID",),
)
async def send(request: web.Request) -> web.StreamResponse:
    """Put one letter into the outbox; asked again meanwhile, say how it stands.

    Where it goes is never said: whoever knows a group's id need not know who sent it.
    """
    only(request)
    settings, store = request.app[SETTINGS], request.app[STORE]
    group_id = request.match_info["id"]
    found = await store.groups.find(group_id, caller(request).view)
    if found is None:
        raise NotFound("there is no group of this id")
    group, tasks = found
    if not group.email:
        raise BadParameter(
            "this group has no address to send to; give one with its pictures, "
            "e.g. curl -F image=@cat.png -F email=ann@example.org",
            parameter="email",
        )
    draft = letters.archive(group.id, group.email)
    known = await store.mail.find(draft.key)
    if known is not None and _counts(known, settings.mail_again):
        return _answer(group.id, known)
    await admit(request)
    limit = settings.mail_per_address
    queued, wait = await store.postage.put(
        draft, quota_of(group.email), limit, again=settings.mail_again
    )
    if wait:
        raise RateLimited(
            f"this group's address was sent {limit} letters within the hour (MAIL_PER_ADDRESS); "
            f"the next one is possible in {wait} s",
            setting="MAIL_PER_ADDRESS",
            limit=limit,
            measured=limit + 1,
            retry_after=wait,
        )
    if not queued:
        known = await store.mail.find(draft.key)  # another call was faster
        if known is not None:
            return _answer(group.id, known)
    state = standing(group, tasks)
    detail = "the letter is on its way"
    if not state.ended:
        detail = f"the letter goes when all pictures are done: {state.done} of {state.total} are"
    return _respond(group.id, "queued", detail)


def _counts(known: Letter, again: float) -> bool:
    """Tell whether a letter stands in the way of another: waiting, or sent lately."""
    if known.status is Mailing.SENT and known.ended_at is not None:
        return (datetime.now(UTC) - known.ended_at).total_seconds() < again
    return known.status is Mailing.CREATED


def _answer(group_id: str, known: Letter) -> web.Response:
    if known.status is Mailing.SENT and known.ended_at is not None:
        when = known.ended_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return _respond(group_id, "sent", f"the letter was sent at {when}; no second one is sent")
    detail = "the letter is waiting already; no second one is sent"
    if known.troubles:
        detail += f"; the mail server was tried {known.troubles} times and will be again"
    return _respond(group_id, "queued", detail)


def _respond(group_id: str, status: Literal["queued", "sent"], detail: str) -> web.Response:
    said: LetterBody = {"group_id": group_id, "status": status, "detail": detail}
    return json_answer(said, 202)
