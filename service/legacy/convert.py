"""Calls of the older grayscale converter and thumbnail service, translated to submissions."""

from __future__ import annotations

from functools import partial

import structlog
from aiohttp import web

from models.error_members import from_document
from models.errors import BadRequest, NotFound, WaitTimedOut
from models.images.inspect import ACCEPTED_FORMATS, MEDIA_TYPES, InputFormat
from models.operations import OPERATIONS, parse
from models.operations.convert import Convert
from models.operations.parameter_docs import curl_fields
from models.tasks.schemas import GroupBody, TaskBody
from models.tasks.serializers import result_url
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS, STORE
from service.auth.identity import identity
from service.events.long_poll import long_poll_task
from service.handlers.submissions import SUBMISSION_RESPONSES, image_fields
from service.http.errors import error_response
from service.http.responses import json_response, stream_response
from service.openapi import form_schemas
from service.openapi.endpoint import FORM, BodySpec, ResponseSpec, endpoint
from service.openapi.error_groups import STORE_ERRORS, TASK_ERRORS, UPLOAD_ERRORS
from service.openapi.other_bodies import PICTURE_QUERY, submission_body
from service.query import REDIRECT, WAIT
from service.schemas import LegacyStatus, LegacySubmissionBody
from service.submissions.submission_request import SubmissionRequest
from service.uploads.form import FormShape

_THUMBNAIL_FIELD = "file"
_WITH_GIF: tuple[InputFormat, ...] = (*ACCEPTED_FORMATS, "gif")
_LEGACY_STATUS: dict[Status, LegacyStatus] = {
    Status.CREATED: "PENDING",
    Status.STARTED: "STARTED",
    Status.SUCCESS: "SUCCESS",
    Status.FAILURE: "FAILURE",
    Status.CANCELLED: "FAILURE",
}


@endpoint(
    "Older services",
    "Convert to grayscale and return the image",
    description="The call of the older grayscale converter; waits for a worker.",
    body=BodySpec({FORM: form_schemas.grayscale_form}),
    responses={
        200: ResponseSpec(
            "The image.",
            media=(MEDIA_TYPES["png"], MEDIA_TYPES["jpeg"]),
            headers=("Content-Location", "ETag"),
        )
    },
    errors=(*UPLOAD_ERRORS, *TASK_ERRORS, WaitTimedOut),
    examples=("curl -F uploaded_file=@cat.png {url}/convert/ -o gray.png",),
)
async def grayscale(request: web.Request) -> web.StreamResponse:
    """POST /convert/ with ``uploaded_file``: respond with the grayscale image itself."""
    settings = request.app[SETTINGS]
    submission = SubmissionRequest(request)
    async with submission.receive(FormShape({"uploaded_file": ACCEPTED_FORMATS})):
        task = await _create_task(submission, "grayscale")
    if not task.ended:
        task = await long_poll_task(request, task.id, settings.http.sync_timeout) or task
    if task.status is Status.SUCCESS:
        result = task.results[0]
        response = web.StreamResponse(
            headers={"Content-Location": f"/tasks/{task.id}", "ETag": f'"{result.sha256}"'}
        )
        response.content_type = MEDIA_TYPES[result.format]
        response.content_length = result.bytes
        data = request.app[STORE].results.read(result.file_id, 0, result.bytes)
        return await stream_response(request, response, data, task.id)
    if task.error is not None:
        return error_response(from_document(task.error))
    where, limit = f"/tasks/{task.id}", settings.http.sync_timeout
    late = error_response(
        WaitTimedOut(
            f"no worker finished the picture within {limit:g} s (SYNC_TIMEOUT); send it again to "
            f"get the result, or see {where}",
            setting="SYNC_TIMEOUT",
            limit=limit,
            task_id=task.id,
        )
    )
    late.headers["Location"] = where
    return late


@endpoint(
    "Pictures",
    "Convert to another format; with the field file: make a thumbnail, as the older service",
    description=PICTURE_QUERY,
    picture_query=True,
    query=WAIT | REDIRECT,
    headers=("Prefer",),
    body=submission_body(
        form_schemas.convert_form, partial(form_schemas.operation_form, "convert")
    ),
    responses={
        **SUBMISSION_RESPONSES,
        202: ResponseSpec(
            "Not ended yet; for the field file: the submission, PENDING.",
            TaskBody | GroupBody | LegacySubmissionBody,
            headers=("Location",),
        ),
    },
    errors=(*UPLOAD_ERRORS, *TASK_ERRORS),
    examples=(
        f"curl -F image=@cat.png{curl_fields(OPERATIONS['convert'])} '{{url}}/convert?wait=30'",
        "curl -F file=@cat.png {url}/convert",
    ),
)
async def convert(request: web.Request) -> web.StreamResponse:
    """POST /convert: convert ``image``; for ``file`` make a thumbnail, as the older service."""
    settings = request.app[SETTINGS]
    pictures = {**image_fields(settings.uploads), _THUMBNAIL_FIELD: _WITH_GIF}
    shape = FormShape(pictures, settings.uploads.max_batch, other_bodies=True)
    submission = SubmissionRequest(request)
    async with submission.receive(shape):
        used = {file.field for file in submission.form.files}
        if _THUMBNAIL_FIELD in used:
            if len(used) > 1:
                raise BadRequest(
                    f"pictures came in {' and '.join(map(repr, sorted(used)))}: "
                    f"{_THUMBNAIL_FIELD!r} makes a thumbnail, the others convert; send one of them"
                )
            return await _thumbnail(submission)
        await submission.read_options(own=Convert.model_fields)
        await submission.create_tasks(submission.operation("convert"))
    return await submission.respond()


async def _thumbnail(submission: SubmissionRequest) -> web.StreamResponse:
    count = len(submission.form.files)
    if count > 1:
        raise BadRequest(
            f"one picture a request in {_THUMBNAIL_FIELD!r}; {count} came", limit=1, measured=count
        )
    task = await _create_task(submission, "thumbnail")
    # As in the older service: a submission is always answered with PENDING.
    return _respond(task, "PENDING", None, status=202)


@endpoint(
    "Older services",
    "Get a thumbnail submission",
    any_query=True,
    responses={200: ResponseSpec("The submission.", LegacySubmissionBody, headers=("Location",))},
    errors=(NotFound, *STORE_ERRORS),
    examples=("curl {url}/convert/TASK_ID",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """GET /convert/<id>: the state of a thumbnail."""
    task = await request.app[STORE].tasks.get(request.match_info["id"], identity(request).view)
    if task is None:
        raise NotFound("there is no submission with this id")
    structlog.contextvars.bind_contextvars(task_id=task.id)
    state = _LEGACY_STATUS[task.status]
    if task.status is not Status.SUCCESS:
        detail = str((task.error or {}).get("detail", "the submission was cancelled"))
        return _respond(task, state, detail if task.ended else None)
    name = task.uploads[0].results[0]
    if task.removal(name, 0):  # succeeded for the older service, but the result is gone
        return _respond(task, state, True)
    return _respond(task, state, True, result_url(name, task.owner, identity(request).view))


def _respond(
    task: Task, state: LegacyStatus, result: bool | str | None, url: str = "", status: int = 200
) -> web.Response:
    body: LegacySubmissionBody = {
        "submission_task_id": task.id,
        "submission_status": state,
        "status": state,
        "submission_result": result,
    }
    if url:
        body["url"] = url
    return json_response(body, status, {"Location": f"/convert/{task.id}"})


async def _create_task(submission: SubmissionRequest, op: str) -> Task:
    """Create the task of the one image with the operation ``op``."""
    await submission.create_tasks([parse(op, submission.form.fields)])
    task, _ = submission.first
    structlog.contextvars.bind_contextvars(task_id=task.id)
    return task
