"""POST /processed/<name>/link, POST /status/<id>/archive/link: links for those without a key."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from models.auth.signed_links import Link
from models.errors import BadParameter, Forbidden, NotFound, NotReady, ResultGone
from models.tasks.serializers import iso
from service.app_keys import SETTINGS, TOKENS
from service.auth.authenticator import DOORKEEPER
from service.handlers import groups, processed
from service.http.query import only
from service.http.responses import json_answer
from service.named import find
from service.openapi.endpoint import Answer, call
from service.openapi.error_groups import STORED
from service.schemas import LinkBody

_SECONDS = re.compile(r"[1-9][0-9]{0,8}")


class _Lasting(TypedDict, total=False):
    """The query of a link that is asked for."""

    seconds: Annotated[
        str,
        Field(
            pattern=f"^{_SECONDS.pattern}$",
            examples=["600"],
            description="How long it is good; else {LINK_TTL} (LINK_TTL), at most "
            "{LINK_TTL_MOST} (LINK_TTL_MOST).",
        ),
    ]


class _LastingResult(_Lasting, processed.Saved, total=False):
    """The same, of a result."""


_ANSWERS = {200: Answer("The link.", LinkBody)}


@call(
    "Results",
    "A link to a result for those without a key",
    description="It is signed and expires; of an upload's name it leads to the result that is the "
    "newest now.",
    query=_LastingResult,
    answers=_ANSWERS,
    errors=(NotFound, NotReady, ResultGone, BadParameter, Forbidden, *STORED),
    examples=("curl -X POST '{url}/processed/NAME/link?seconds=600'",),
)
async def result(request: web.Request) -> web.StreamResponse:
    only(request, "seconds", "download", "owner")
    download = processed.download(request)
    task, name, _, _ = await find(request)
    return await _respond(request, f"/processed/{name}", task.owner, download)


@call(
    "Groups",
    "A link to the archive of a group for those without a key",
    description="It is signed and expires.",
    query=_Lasting,
    answers=_ANSWERS,
    errors=(NotFound, BadParameter, Forbidden, *STORED),
    examples=("curl -X POST {url}/status/GROUP_ID/archive/link",),
)
async def archive(request: web.Request) -> web.StreamResponse:
    only(request, "seconds")
    group, _ = await groups.find(request)
    return await _respond(request, f"/status/{group.id}/archive", group.owner, False)


async def _respond(request: web.Request, path: str, owner: str, download: bool) -> web.Response:
    settings = request.app[SETTINGS]
    given, most = request.query.get("seconds", str(settings.link_ttl)), settings.link_ttl_most
    if not _SECONDS.fullmatch(given) or int(given) > most:
        raise BadParameter(
            f"seconds={given[:20]!a} is not 1 to {most} (LINK_TTL_MOST)",
            parameter="seconds",
            setting="LINK_TTL_MOST",
            limit=most,
        )
    until = int(time.time()) + int(given)
    made = await request.app[DOORKEEPER].made(owner)
    url = Link(path, owner, until, download).sealed(request.app[TOKENS], made)
    document: LinkBody = {
        "url": url,
        "link": settings.url + url,
        "expires_at": iso(datetime.fromtimestamp(until, UTC)),
    }
    response = json_answer(document, 200)
    response.headers["Cache-Control"] = "no-store"
    return response
