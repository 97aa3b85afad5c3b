"""POST /processed/<name>/link, POST /status/<id>/archive/link: signed links."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from aiohttp import web

from models.auth.signed_links import SignedLink
from models.errors import BadParameter, Forbidden, NotFound, NotReady, ResultGone
from models.tasks.serializers import iso
from service.app_keys import SETTINGS, STORE, TOKENS
from service.auth.authenticator import AUTHENTICATOR
from service.handlers import groups, processed
from service.http.responses import json_response
from service.openapi.endpoint import ResponseSpec, endpoint, parameter
from service.openapi.error_groups import STORE_ERRORS
from service.query import flag
from service.results import OWNER, find_result
from service.schemas import LinkBody

_SECONDS = re.compile(r"[1-9][0-9]{0,8}")


_LIFETIME = {
    "seconds": parameter(
        "Lifetime; default {LINK_TTL} (LINK_TTL), at most {LINK_TTL_MAX} (LINK_TTL_MAX).",
        pattern=f"^{_SECONDS.pattern}$",
        examples=["600"],
    )
}
_ANSWERS = {200: ResponseSpec("The link.", LinkBody)}


@endpoint(
    "Results",
    "Make a signed link to a result",
    description="It works without a key and expires. For an upload's name it leads to the result "
    "that is newest now.",
    query=_LIFETIME | OWNER | processed.DOWNLOAD,
    responses=_ANSWERS,
    errors=(NotFound, NotReady, ResultGone, BadParameter, Forbidden, *STORE_ERRORS),
    examples=("curl -X POST '{url}/processed/NAME/link?seconds=600'",),
)
async def result(request: web.Request) -> web.StreamResponse:
    download = flag(request.query, "download")
    task, name, _, _ = await find_result(request)
    return await _respond(request, f"/processed/{name}", task.owner, download)


@endpoint(
    "Groups",
    "Make a signed link to the archive of a group",
    description="It works without a key and expires.",
    query=_LIFETIME,
    responses=_ANSWERS,
    errors=(NotFound, BadParameter, Forbidden, *STORE_ERRORS),
    examples=("curl -X POST {url}/status/GROUP_ID/archive/link",),
)
async def archive(request: web.Request) -> web.StreamResponse:
    group, _ = await groups.find_group(request)
    return await _respond(request, f"/status/{group.id}/archive", group.owner, False)


async def _respond(request: web.Request, path: str, owner: str, download: bool) -> web.Response:
    settings = request.app[SETTINGS]
    given = request.query.get("seconds", str(settings.auth.link_ttl))
    longest = settings.auth.link_ttl_max
    if not _SECONDS.fullmatch(given) or int(given) > longest:
        raise BadParameter(
            f"seconds={given[:20]!a} is not 1 to {longest} (LINK_TTL_MAX)",
            parameter="seconds",
            setting="LINK_TTL_MAX",
            limit=longest,
        )
    expires = int((await request.app[STORE].health.now()).timestamp()) + int(given)
    generation = await request.app[AUTHENTICATOR].link_generation(owner)
    url = SignedLink(path, owner, expires, download).signed_url(request.app[TOKENS], generation)
    document: LinkBody = {
        "url": url,
        "link": settings.http.base_url + url,
        "expires_at": iso(datetime.fromtimestamp(expires, UTC)),
    }
    return json_response(document)
