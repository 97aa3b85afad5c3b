"""POST and PUT /<operation> and /process: submit images, get a task or a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import BadParameter, BadRequest, RequestHeadTooLarge
from models.images.inspect import InputFormat
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import curl_fields, summary
from models.operations.steps import read_pipeline
from models.operations.watermark import FIELD, Watermark
from models.settings.uploads import UploadSettings
from models.tasks.schemas import GroupBody, TaskBody
from service.app_keys import SETTINGS
from service.http.request_body import content_type, is_picture
from service.openapi import form_schemas
from service.openapi.endpoint import ResponseSpec, endpoint
from service.openapi.error_groups import TASK_ERRORS, UPLOAD_ERRORS
from service.openapi.other_bodies import (
    PICTURE_BODY,
    PICTURE_QUERY,
    query_fields,
    submission_body,
)
from service.query import REDIRECT, WAIT
from service.submissions.preset_fields import OPERATIONS_FIELDS
from service.submissions.submission_request import SubmissionRequest
from service.uploads.form import FormShape

_IMAGE_FIELDS = ("image", "images", "images[]", "file", "files")
"""Names of the file field; the first is documented, the others are aliases."""

SUBMISSION_RESPONSES = {
    200: ResponseSpec(
        "Ended: the task of the one image, or the group of several.",
        TaskBody | GroupBody,
        headers=("Location",),
    ),
    202: ResponseSpec(
        "Not ended yet: the task or group.", TaskBody | GroupBody, headers=("Location",)
    ),
    303: ResponseSpec("With redirect=1: to the result or archive.", headers=("Location",)),
}
"""The responses to a submission."""


def operation_handler(op: str) -> Handler:
    """Return the handler of POST /``op``."""

    @endpoint(
        "Pictures",
        summary(OPERATIONS[op]),
        description=PICTURE_QUERY,
        query=WAIT | REDIRECT,
        picture_query=True,
        headers=("Prefer",),
        body=submission_body(partial(form_schemas.operation_form, op)),
        responses=SUBMISSION_RESPONSES,
        errors=(*UPLOAD_ERRORS, *TASK_ERRORS),
        examples=(f"curl -F image=@cat.png{curl_fields(OPERATIONS[op])} '{{url}}/{op}?wait=30'",),
    )
    async def submit(request: web.Request) -> web.StreamResponse:
        return await _submit(request, op)

    return submit


def picture_handler(op: str) -> Handler:
    """Return the handler of PUT /``op``: the body is the picture, as curl -T sends it."""
    example = "&".join(f"{name}={value}" for name, value in OPERATIONS[op].example.items())

    @endpoint(
        "Pictures",
        f"{summary(OPERATIONS[op]).rstrip('.')}; the body is the picture",
        query=WAIT | REDIRECT | query_fields(partial(form_schemas.operation_form, op)),
        headers=("Prefer",),
        body=PICTURE_BODY,
        responses=SUBMISSION_RESPONSES,
        errors=(*UPLOAD_ERRORS, *TASK_ERRORS, RequestHeadTooLarge),
        examples=(f"curl -T cat.png '{{url}}/{op}?wait=30&filename=cat.png&{example}'",),
    )
    async def put(request: web.Request) -> web.StreamResponse:
        _require_picture(request)
        return await _submit(request, op)

    return put


async def _submit(request: web.Request, op: str) -> web.StreamResponse:
    def operations(submission: SubmissionRequest) -> Sequence[Operation]:
        if submission.form.watermark is not None:
            submission.form.fields.setdefault("picture", FIELD)
        return submission.operation(op)

    shape = replace(image_form(request.app[SETTINGS].uploads), watermark=op == Watermark.op)
    return await SubmissionRequest.handle(request, shape, operations, OPERATIONS[op].model_fields)


@endpoint(
    "Pictures",
    "Apply several operations, in order",
    description=PICTURE_QUERY,
    query=WAIT | REDIRECT,
    picture_query=True,
    headers=("Prefer",),
    body=submission_body(form_schemas.pipeline_form),
    responses=SUBMISSION_RESPONSES,
    errors=(*UPLOAD_ERRORS, *TASK_ERRORS),
    examples=(
        "curl -F image=@cat.png -F operations=resize=2 -F operations=grayscale {url}/process",
        """curl -F image=@cat.png -F 'operations=["split", "blur=25"]' {url}/process""",
        "curl -F image=@cat.png -F image=@dog.jpg -F operations=split -F format=webp {url}/process",
        "curl -F image=@cat.png -F preset=shop-photo {url}/process",
    ),
)
async def process(request: web.Request) -> web.StreamResponse:
    """POST /process: several operations, in order."""
    shape = image_form(request.app[SETTINGS].uploads, repeated=frozenset(OPERATIONS_FIELDS))
    return await SubmissionRequest.handle(
        request, replace(shape, presets=True, watermark=True), _pipeline
    )


@endpoint(
    "Pictures",
    "Apply several operations, in order; the body is the picture",
    query=WAIT | REDIRECT | query_fields(form_schemas.pipeline_form),
    headers=("Prefer",),
    body=PICTURE_BODY,
    responses=SUBMISSION_RESPONSES,
    errors=(*UPLOAD_ERRORS, *TASK_ERRORS, RequestHeadTooLarge),
    examples=("curl -T cat.png '{url}/process?operations=resize=2&operations=grayscale'",),
)
async def put_process(request: web.Request) -> web.StreamResponse:
    """PUT /process: the body is the picture."""
    _require_picture(request)
    return await process(request)


def _require_picture(request: web.Request) -> None:
    """Return if the body of a PUT may be a picture.

    Raises:
        BadRequest: there is none, or its type says that it is something else.
    """
    if not is_picture(request):
        raise BadRequest(
            "PUT takes the picture itself as its body, e.g. curl -T cat.png; send a form or JSON "
            "by POST",
            measured=content_type(request)[0][:80],
        )


def image_form(settings: UploadSettings, repeated: frozenset[str] = frozenset()) -> FormShape:
    """Return the form of a submission: up to MAX_BATCH images, and text fields."""
    return FormShape(image_fields(settings), settings.max_batch, repeated, other_bodies=True)


def image_fields(settings: UploadSettings) -> dict[str, tuple[InputFormat, ...]]:
    """Return the names of the file field with the formats that INPUT_FORMATS allows."""
    return dict.fromkeys(_IMAGE_FIELDS, settings.accepted_formats)


def _pipeline(submission: SubmissionRequest) -> Sequence[Operation]:
    """Return the operations that the fields ``operations`` list.

    Raises:
        BadParameter: another field was sent, or an operation is invalid.
    """
    fields = submission.form.fields
    values = [value for name in OPERATIONS_FIELDS for value in fields.popall(name, [])]
    if fields:
        unknown = ", ".join(f"{name[:40]!a}" for name in fields)
        raise BadParameter(
            f"unknown field {unknown}; known: operations, preset, format, quality, progressive, "
            "max_bytes, frames, email, callback_url, report, metadata "
            "(parameters belong to their operation)",
            parameter=next(iter(fields))[:40],
        )
    return read_pipeline(values, submission.settings.uploads.max_operations)
