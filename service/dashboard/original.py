"""GET /dashboard/api/tasks/<id>/original: the picture that was sent, to lay beside its results."""

from __future__ import annotations

from aiohttp import web

from models.errors import NotFound, OriginalGone, UnsupportedFormat
from models.images.inspect import INPUT_MEDIA_TYPES, sniff
from models.images.signatures import SNIFFED_BYTES
from service.app_keys import STORE
from service.http.responses import stream_response
from service.openapi.endpoint import ResponseSpec, endpoint
from service.openapi.error_groups import STORE_ERRORS

_UNKNOWN = "application/octet-stream"  # never a type that a browser runs


@endpoint(
    "Dashboard",
    "Download the original of a task",
    responses={
        200: ResponseSpec(
            "The whole file.",
            media=(*INPUT_MEDIA_TYPES.values(), _UNKNOWN),
            headers=("Content-Disposition",),
        )
    },
    errors=(NotFound, OriginalGone, *STORE_ERRORS),
    html_errors=True,
    examples=("curl -OJ {url}/dashboard/api/tasks/TASK_ID/original",),
)
async def serve(request: web.Request) -> web.StreamResponse:
    """Send the bytes as they came. A browser that opens the URL saves them as a file.

    Raises:
        NotFound: there is no such task. OriginalGone: its original is no longer stored.
    """
    store, task_id = request.app[STORE], request.match_info["id"]
    task = await store.tasks.get(task_id)
    if task is None:
        raise NotFound("there is no task with this id")
    size = await store.originals.size(task.original_id)
    if size is None:
        raise OriginalGone("the original of this task is no longer stored", task_id=task.id)
    head = b"".join(
        [data async for data in store.originals.read(task.original_id, 0, min(size, SNIFFED_BYTES))]
    )
    response = web.StreamResponse(
        headers={
            "Cache-Control": "private, no-cache",
            "Content-Disposition": f'attachment; filename="original-{task.id}"',
        }
    )
    response.content_type = _media_type(head)
    response.content_length = size
    data = store.originals.read(task.original_id, 0, size)
    return await stream_response(request, response, data, task.id)


def _media_type(head: bytes) -> str:
    """Return the type that the first bytes say, not the name that the client gave."""
    try:
        return INPUT_MEDIA_TYPES[sniff(head, tuple(INPUT_MEDIA_TYPES))]
    except UnsupportedFormat:
        return _UNKNOWN
