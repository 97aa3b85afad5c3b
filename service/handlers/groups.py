"""GET /status/<group_id>: a group, /archive: its results as zip; POST /groups: group of tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from models.errors import (
    BadCallbackUrl,
    BadParameter,
    InsufficientResources,
    NotFound,
    NotReady,
    RateLimited,
)
from models.outbox.email_address import parse_email_address
from models.tasks.group import Group, group_progress
from models.tasks.schemas import GroupBody
from models.tasks.task import Result, Task
from models.tasks.zip_archive import GroupArchive
from service.app_keys import SETTINGS, STORE
from service.auth.authenticator import AUTHENTICATOR
from service.auth.identity import identity
from service.auth.rate_limit import count_call
from service.events.long_poll import long_poll_group
from service.http.request_body import parse_json, read_body
from service.http.responses import stream_response
from service.openapi.endpoint import JSON, BodySpec, ResponseSpec, endpoint
from service.openapi.error_groups import FORM_ERRORS, LINK_ERRORS, STORE_ERRORS
from service.query import (
    REDIRECT,
    WAIT,
    wait_seconds,
    wants_image_redirect,
)
from service.results import OWNER, SIGNATURE
from service.submissions.callbacks import add_callback, validate_callback_url
from service.submissions.groups import GroupRequest, create_group, group_members, read_group_request
from service.task_response import respond_group
from service.uploads.disk_space import DISK_SPACE


@endpoint(
    "Groups",
    "Get a group",
    query=WAIT | REDIRECT,
    headers=("Prefer",),
    responses={
        200: ResponseSpec("The group; a task ID works, too.", GroupBody, headers=("Location",)),
        303: ResponseSpec("With redirect=1: to its archive.", headers=("Location",)),
    },
    errors=(NotFound, BadParameter, *STORE_ERRORS),
    examples=("curl '{url}/status/GROUP_ID?wait=30'",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """GET /status/<id>: the group, at once or when all tasks have ended; a task ID works, too."""
    redirect = wants_image_redirect(request)
    group, tasks = await find_group(request)
    return await respond_group(request, group, tasks, status=200, redirect=redirect)


@endpoint(
    "Groups",
    "Make a group of existing tasks",
    description="For tasks that were submitted one by one. The same tasks make the same group; "
    "with an e-mail address they make a new group with a secret ID.",
    body=BodySpec({JSON: GroupRequest}, example={"tasks": ["TASK_ID"]}),
    responses={
        200: ResponseSpec("The group; all tasks have ended.", GroupBody, headers=("Location",)),
        202: ResponseSpec("The group.", GroupBody, headers=("Location",)),
    },
    errors=(
        NotFound,
        InsufficientResources,
        RateLimited,
        BadCallbackUrl,
        *FORM_ERRORS,
        *STORE_ERRORS,
    ),
    examples=(
        "curl -H 'Content-Type: application/json' -d '{\"tasks\": [\"TASK_ID\"]}' {url}/groups",
    ),
)
async def create(request: web.Request) -> web.StreamResponse:
    """POST /groups: make a group of existing tasks.

    The same tasks make the same group; with ``email`` they make a new one with a secret ID.
    """
    settings, store = request.app[SETTINGS], request.app[STORE]
    await request.app[DISK_SPACE].free_space.check()
    await count_call(request, "GROUPS_PER_CLIENT")
    wanted = read_group_request(parse_json(await read_body(request, settings.uploads)), settings)
    await request.app[AUTHENTICATOR].revalidate(request)
    tasks = await store.tasks.get_many(
        [each.task_id for each in wanted.members], identity(request).view
    )
    email = parse_email_address(wanted.email) if wanted.email else None
    url = wanted.callback_url and await validate_callback_url(request, wanted.callback_url)
    chosen = group_members(wanted, tasks, settings)
    group, tasks = await create_group(store, chosen, email, identity(request).owner)
    structlog.contextvars.bind_contextvars(group_id=group.id)
    if url:
        await add_callback(request, url, group)
    status = 200 if group_progress(group, tasks).ended else 202
    return await respond_group(request, group, tasks, status=status, redirect=False)


@endpoint(
    "Groups",
    "Download the results of a group as a zip file",
    query=WAIT | OWNER | SIGNATURE,
    headers=("Prefer",),
    responses={
        200: ResponseSpec(
            "Streamed, with Content-Length; stored without compression.",
            media=("application/zip",),
            headers=("Content-Disposition",),
        )
    },
    errors=(NotFound, NotReady, BadParameter, *LINK_ERRORS, *STORE_ERRORS),
    examples=("curl -OJ '{url}/status/GROUP_ID/archive?wait=30'",),
)
async def archive(request: web.Request) -> web.StreamResponse:
    """Stream the results of a group that has ended as one zip file."""
    group, tasks = await find_group(request)
    if request.query.get("owner", group.owner) != group.owner:
        raise NotFound("there is no group with this id and owner")
    progress = group_progress(group, tasks)
    if not progress.ended:
        raise NotReady(
            f"the group is not finished: {progress.done} of {progress.total} tasks are; "
            f"ask again with ?wait=30, or see /status/{group.id}",
            task_status=progress.status,
            done=progress.done,
            total=progress.total,
        )
    store = request.app[STORE]

    def read(result: Result) -> AsyncIterator[bytes]:
        return store.results.read(result.file_id, 0, result.bytes)

    zipped = GroupArchive(group, tasks, read)
    if not zipped.entries:
        raise NotFound(
            "no image of this group has a result; see /status for the errors", group_id=group.id
        )
    response = web.StreamResponse(
        headers={
            "Content-Disposition": f'attachment; filename="darkroom-{group.id[:8]}.zip"',
            "Cache-Control": "no-store",
        }
    )
    response.content_type = "application/zip"
    response.content_length = zipped.length
    return await stream_response(request, response, zipped.stream(), group.id)


async def find_group(request: web.Request) -> tuple[Group, dict[str, Task]]:
    """Return the requested group when all tasks have ended or ``wait`` is over.

    Raises:
        NotFound: the caller has no group with this ID.
    """
    wait = wait_seconds(request, request.app[SETTINGS].http.max_wait)
    view = identity(request).view
    found = await long_poll_group(request, request.match_info["id"], wait, view)
    if found is None:
        raise NotFound("there is no group with this id")
    structlog.contextvars.bind_contextvars(group_id=found[0].id)
    return found
