"""The calls of the older grayscale converter and thumbnail service, as their documents say.

They are translations only: the tasks, stores and workers are those of every other submission.
"""

from __future__ import annotations

import structlog
from aiohttp import web

from models.errors import BadRequest, NotFinished, NotFound, from_document
from models.images.inspect import ACCEPTED, MEDIA_TYPES, Kind
from models.operations import OPERATIONS, Operation, parse
from models.operations.parameter_docs import fields
from models.tasks.schemas import GroupBody, TaskBody
from models.tasks.serializers import result_url
from models.tasks.task import Status, Task
from service.app_keys import ADMISSION, SETTINGS, STORE, SUBMITTER
from service.auth.identity import caller
from service.auth.revalidate import ended_task
from service.handlers.submissions import ANSWERS, PICTURES, Asked
from service.http.client_ip import party
from service.http.errors import answer
from service.http.query import Waiting, only
from service.http.responses import json_answer
from service.http.streaming import stream
from service.openapi import form_schemas
from service.openapi.endpoint import FORM, Answer, Body, call
from service.openapi.error_groups import PICTURES as REFUSALS
from service.openapi.error_groups import STORED, WORK
from service.openapi.headers import Prefer
from service.results import result_bytes
from service.schemas import Said, SubmissionBody
from service.uploads.multipart import Shape
from service.uploads.receive import Received, receive
from service.uploads.validation import Refused

_THUMBNAIL_FIELD = "file"
_WITH_GIF: tuple[Kind, ...] = (*ACCEPTED, "gif")
_SAID: dict[Status, Said] = {
    Status.CREATED: "PENDING",
    Status.STARTED: "STARTED",
    Status.SUCCESS: "SUCCESS",
    Status.FAILURE: "FAILURE",
    Status.CANCELLED: "FAILURE",
}


@call(
    "Older services",
    "A picture in gray, in the answer",
    description="The call of the older grayscale converter; waits for a worker.",
    body=Body({FORM: form_schemas.single("uploaded_file")}),
    answers={
        200: Answer(
            "The picture.",
            media=(MEDIA_TYPES["png"], MEDIA_TYPES["jpeg"]),
            headers=("Content-Location", "ETag"),
        )
    },
    errors=(*REFUSALS, *WORK, NotFinished),
    examples=("curl -F uploaded_file=@cat.png {url}/convert/ -o gray.png",),
)
async def grayscale(request: web.Request) -> web.StreamResponse:
    """POST /convert/ with ``uploaded_file``: the grayscale picture itself, in the answer."""
    settings = request.app[SETTINGS]
    only(request)
    with request.app[ADMISSION].spool() as spool:
        shape = Shape({"uploaded_file": ACCEPTED})
        received = await receive(request, spool, shape, settings)
        task, _ = await _task(request, received, parse("grayscale", received.fields))
    if not task.ended:
        task = await ended_task(request, task.id, settings.sync_timeout) or task
    if task.status is Status.SUCCESS:
        result = task.results[0]
        response = web.StreamResponse(
            headers={"Content-Location": f"/tasks/{task.id}", "ETag": f'"{result.sha256}"'}
        )
        response.content_type = MEDIA_TYPES[result.format]
        response.content_length = result.bytes
        return await stream(request, response, result_bytes(request.app, task, result), task.id)
    if task.error is not None:
        return answer(from_document(task.error))
    where = f"/tasks/{task.id}"
    late = answer(
        NotFinished(
            f"no worker finished the picture within {settings.sync_timeout:g} s (SYNC_TIMEOUT); "
            f"send it again to get it when it is done, or see {where}",
            setting="SYNC_TIMEOUT",
            limit=settings.sync_timeout,
            task_id=task.id,
        )
    )
    late.headers["Location"] = where
    return late


@call(
    "Pictures",
    "Convert a picture to another format; with file a thumbnail, as of old",
    query=Waiting,
    headers=Prefer,
    body=Body({FORM: form_schemas.conversion}),
    answers={
        **ANSWERS,
        202: Answer(
            "Not ended yet; of a file the submission, which is PENDING.",
            TaskBody | GroupBody | SubmissionBody,
            headers=("Location",),
        ),
    },
    errors=(*REFUSALS, *WORK),
    examples=(
        f"curl -F image=@cat.png{fields(OPERATIONS['convert'])} '{{url}}/convert?wait=30'",
        "curl -F file=@cat.png {url}/convert",
    ),
)
async def convert(request: web.Request) -> web.StreamResponse:
    """POST /convert: with ``file`` a thumbnail as of old, with ``image`` our own conversion."""
    settings = request.app[SETTINGS]
    pictures = {**PICTURES, _THUMBNAIL_FIELD: _WITH_GIF}
    shape = Shape(pictures, most=settings.max_batch)
    asked = Asked.of(request)
    with request.app[ADMISSION].spool() as spool:
        received = await receive(request, spool, shape, settings)
        if _THUMBNAIL_FIELD in received.sent:
            if len(received.sent) > 1:
                raise BadRequest(
                    f"pictures came in {' and '.join(map(repr, sorted(received.sent)))}: "
                    f"{_THUMBNAIL_FIELD!r} asks for a thumbnail as of old, the others to convert"
                )
            return await _thumbnail(request, received)
        batch = await asked.submit_to("convert", received)
    return await asked.answer(batch)


async def _thumbnail(request: web.Request, received: Received) -> web.StreamResponse:
    if len(received.pictures) > 1:
        raise BadRequest(
            f"one picture a request in {_THUMBNAIL_FIELD!r}; {len(received.pictures)} came",
            limit=1,
            measured=len(received.pictures),
        )
    task, name = await _task(request, received, parse("thumbnail", received.fields))
    # As of old: whatever became of it meanwhile, the answer to a submission is PENDING.
    return _submission(request, task, name, "PENDING", None, status=202)


@call(
    "Older services",
    "How far a thumbnail is",
    answers={200: Answer("The submission.", SubmissionBody, headers=("Location",))},
    errors=(NotFound, *STORED),
    examples=("curl {url}/convert/TASK_ID",),
)
async def converted(request: web.Request) -> web.StreamResponse:
    """GET /convert/<id>: how far the thumbnail is."""
    task = await request.app[STORE].tasks.get(request.match_info["id"], caller(request).view)
    if task is None:
        raise NotFound("there is no submission of this id")
    structlog.contextvars.bind_contextvars(task_id=task.id)
    result: bool | str | None = None
    if task.status is Status.SUCCESS:
        result = True
    elif task.ended:
        result = str((task.error or {}).get("detail", "the submission was cancelled"))
    return _submission(request, task, None, _SAID[task.status], result, status=200)


def _submission(
    request: web.Request,
    task: Task,
    name: str | None,
    said: Said,
    result: bool | str | None,
    *,
    status: int,
) -> web.Response:
    thumbnail = task.upload(name).results[0] if result is True else None
    if thumbnail is not None and task.gone(thumbnail, 0):
        thumbnail = None  # as of old it succeeded; there is nothing to fetch any more
    body: SubmissionBody = {
        "submission_task_id": task.id,
        "submission_status": said,
        "status": said,
        "submission_result": result,
    }
    if thumbnail is not None:
        body["url"] = result_url(thumbnail, task.owner, caller(request).view)
    return json_answer(body, status, {"Location": f"/convert/{task.id}"})


async def _task(request: web.Request, received: Received, operation: Operation) -> tuple[Task, str]:
    """Return the task for the one picture that came, and the picture's name."""
    (picture,) = received.pictures
    if isinstance(picture, Refused):
        raise picture.error
    task = await request.app[SUBMITTER].submit(
        picture,
        [operation],
        picture.header.format,
        client=party(request),
        owner=caller(request).owner,
    )
    structlog.contextvars.bind_contextvars(task_id=task.id)
    return task, picture.name
