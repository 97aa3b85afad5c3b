"""POST /<operation> and POST /process: submit images, get a task or a group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import BadParameter
from models.images.inspect import ACCEPTED_FORMATS
from models.operations import OPERATIONS, Operation, parse
from models.operations.parameter_docs import curl_fields, summary
from models.operations.steps import read_pipeline
from models.settings.uploads import UploadSettings
from models.tasks.schemas import GroupBody, TaskBody
from service.app_keys import SETTINGS
from service.openapi import form_schemas
from service.openapi.endpoint import FORM, BodySpec, ResponseSpec, endpoint
from service.openapi.error_groups import TASK_ERRORS, UPLOAD_ERRORS
from service.query import REDIRECT, WAIT
from service.submissions.submission_request import SubmissionRequest
from service.uploads.multipart import FormShape

IMAGE_FIELDS = dict.fromkeys(("image", "images", "images[]", "file", "files"), ACCEPTED_FORMATS)
"""Names of the file field with their formats; the first is documented, the others are aliases."""

_OPERATIONS_FIELDS = ("operations", "operations[]")

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
    own = OPERATIONS[op].model_fields

    @endpoint(
        "Pictures",
        summary(OPERATIONS[op]),
        query=WAIT | REDIRECT,
        headers=("Prefer",),
        body=BodySpec({FORM: partial(form_schemas.operation_form, op)}),
        responses=SUBMISSION_RESPONSES,
        errors=(*UPLOAD_ERRORS, *TASK_ERRORS),
        examples=(f"curl -F image=@cat.png{curl_fields(OPERATIONS[op])} '{{url}}/{op}?wait=30'",),
    )
    async def submit(request: web.Request) -> web.StreamResponse:
        def operations(submission: SubmissionRequest) -> Sequence[Operation]:
            return [parse(op, submission.form.fields)]

        shape = image_form(request.app[SETTINGS].uploads)
        return await SubmissionRequest.handle(request, shape, operations, own)

    return submit


@endpoint(
    "Pictures",
    "Apply several operations, in order",
    query=WAIT | REDIRECT,
    headers=("Prefer",),
    body=BodySpec({FORM: form_schemas.pipeline_form}),
    responses=SUBMISSION_RESPONSES,
    errors=(*UPLOAD_ERRORS, *TASK_ERRORS),
    examples=(
        "curl -F image=@cat.png -F operations=resize=2 -F operations=grayscale {url}/process",
        """curl -F image=@cat.png -F 'operations=["split", "blur=25"]' {url}/process""",
        "curl -F image=@cat.png -F image=@dog.jpg -F operations=split -F format=webp {url}/process",
    ),
)
async def process(request: web.Request) -> web.StreamResponse:
    """POST /process: several operations, in order."""
    shape = image_form(request.app[SETTINGS].uploads, repeated=frozenset(_OPERATIONS_FIELDS))
    return await SubmissionRequest.handle(request, shape, _pipeline)


def image_form(settings: UploadSettings, repeated: frozenset[str] = frozenset()) -> FormShape:
    """Return the form of a submission: up to MAX_BATCH images, and text fields."""
    return FormShape(IMAGE_FIELDS, max_files=settings.max_batch, repeated=repeated)


def _pipeline(submission: SubmissionRequest) -> Sequence[Operation]:
    """Return the operations that the fields ``operations`` list.

    Raises:
        BadParameter: another field was sent, or an operation is invalid.
    """
    fields = submission.form.fields
    values = [value for name in _OPERATIONS_FIELDS for value in fields.popall(name, [])]
    if fields:
        unknown = ", ".join(f"{name[:40]!a}" for name in fields)
        raise BadParameter(
            f"unknown field {unknown}; known: operations, format, quality, email, "
            "callback_url, report, metadata "
            "(parameters belong to their operation)",
            parameter=next(iter(fields))[:40],
        )
    return read_pipeline(values, submission.settings.uploads.max_operations)
