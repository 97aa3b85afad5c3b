"""GET /status/<group_id>: how far a group is, /archive: its results; POST /groups: one of tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from models.errors import BadCallback, BadParameter, NoRoom, NotFound, NotReady, RateLimited
from models.outbox.email_address import address
from models.tasks.group import Group, standing
from models.tasks.schemas import GroupBody
from models.tasks.task import Result, Task
from models.tasks.zip_archive import Archive
from service.app_keys import ADMISSION, SETTINGS, STORE
from service.auth.identity import caller
from service.auth.revalidate import ended_group, still_good
from service.http.client_ip import admit
from service.http.json_body import read_json
from service.http.query import Patience, Waiting, only, seconds, wants_picture
from service.http.streaming import stream
from service.named import Owned, Signed
from service.openapi.endpoint import JSON, Answer, Body, call
from service.openapi.error_groups import FORM, LINKED, STORED
from service.openapi.headers import Prefer
from service.submissions import batch as batches
from service.submissions.callbacks import accepted, tell_of_group
from service.submissions.group_request import Gathering, members, read_gathering
from service.task_response import respond_group


@call(
    "Groups",
    "How far a group is",
    query=Waiting,
    headers=Prefer,
    answers={
        200: Answer("The group; a task is one, too.", GroupBody, headers=("Location",)),
        303: Answer("The way to its archive, with redirect=1.", headers=("Location",)),
    },
    errors=(NotFound, BadParameter, *STORED),
    examples=("curl '{url}/status/GROUP_ID?wait=30'",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """Answer how far the group is, at once or when all of it has ended; a task is a group too."""
    only(request, "wait", "redirect")
    redirect = wants_picture(request)
    group, tasks = await find(request)
    return respond_group(request, group, tasks, status=200, redirect=redirect)


@call(
    "Groups",
    "Make a group of tasks",
    description="Of tasks that were submitted one by one. The same tasks again are the same group; "
    "with an address it is a new one under a secret id.",
    body=Body({JSON: Gathering}, example={"tasks": ["TASK_ID"]}),
    answers={
        200: Answer("The group; all of it has ended.", GroupBody, headers=("Location",)),
        202: Answer("The group.", GroupBody, headers=("Location",)),
    },
    errors=(NotFound, NoRoom, RateLimited, BadCallback, *FORM, *STORED),
    examples=(
        "curl -H 'Content-Type: application/json' -d '{\"tasks\": [\"TASK_ID\"]}' {url}/groups",
    ),
)
async def gather(request: web.Request) -> web.StreamResponse:
    """POST /groups: tasks that were submitted one by one become a group, with all a group can do.

    The same tasks again are the same group; with ``email`` it is a new one under a secret id.

    Raises:
        BadRequest: the body is no such document. NotFound: a task is not there.
        BadParameter: too many tasks or results, or the address or the callback_url is none.
    """
    only(request)
    settings, store = request.app[SETTINGS], request.app[STORE]
    await request.app[ADMISSION].room()
    await admit(request, "groups", "GROUPS_PER_CLIENT")
    asked = read_gathering(await read_json(request, settings), settings)
    await still_good(request)
    tasks = await store.tasks.many([each.task_id for each in asked.picked], caller(request).view)
    email = address(asked.email) if asked.email else None
    url = await accepted(request, asked.callback_url)
    batch = batches.Batch(members(asked, tasks, settings))
    group, tasks = await batches.keep(store, batch, email, caller(request).owner)
    structlog.contextvars.bind_contextvars(group_id=group.id)
    if url:
        await tell_of_group(request, url, group)
    status = 200 if standing(group, tasks).ended else 202
    return respond_group(request, group, tasks, status=status, redirect=False)


class _Fetched(Patience, Owned, Signed, total=False):
    """The query of an archive."""


@call(
    "Groups",
    "The results of a group as one zip file",
    query=_Fetched,
    headers=Prefer,
    answers={
        200: Answer(
            "Streamed, of known length; nothing is packed, pictures are already.",
            media=("application/zip",),
            headers=("Content-Disposition",),
        )
    },
    errors=(NotFound, NotReady, BadParameter, *LINKED, *STORED),
    examples=("curl -OJ '{url}/status/GROUP_ID/archive?wait=30'",),
)
async def archive(request: web.Request) -> web.StreamResponse:
    """Stream the results of a group that has ended as one zip file."""
    if caller(request).means != "link":  # whose query is checked already
        only(request, "wait", "owner", "expires", "signature")
    group, tasks = await find(request)
    far = standing(group, tasks)
    if not far.ended:
        raise NotReady(
            f"the group is not finished: {far.done} of {far.total} are; "
            f"ask again with ?wait=30, or see /status/{group.id}",
            task_status=far.status,
            done=far.done,
            total=far.total,
        )
    store = request.app[STORE]

    def read(result: Result) -> AsyncIterator[bytes]:
        return store.results.read(result.file_id, 0, result.bytes)

    made = Archive(group, tasks, read)
    if not made.entries:
        raise NotFound(
            "no picture of this group has a result; /status tells why", group_id=group.id
        )
    response = web.StreamResponse(
        headers={
            "Content-Disposition": f'attachment; filename="darkroom-{group.id[:8]}.zip"',
            "Cache-Control": "no-store",
        }
    )
    response.content_type = "application/zip"
    response.content_length = made.length
    return await stream(request, response, made.stream(), group.id)


async def find(request: web.Request) -> tuple[Group, dict[str, Task]]:
    """Return the group that a request names, when all of it has ended or its patience has.

    Raises:
        NotFound: who asks has none of this id.
    """
    wait = seconds(request, request.app[SETTINGS].max_wait)
    view = caller(request).view
    found = await ended_group(request, request.match_info["id"], wait, view)
    if found is None:
        raise NotFound("there is no group of this id")
    structlog.contextvars.bind_contextvars(group_id=found[0].id)
    return found
