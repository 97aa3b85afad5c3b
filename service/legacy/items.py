"""POST /items/: the call of the older JSON batch processor, on files below IMAGES_ROOT."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import structlog
from aiohttp import web

from models.error_codes import from_document
from models.errors import (
    AppError,
    BadImage,
    BadParameter,
    NotFound,
    ResultNotWritten,
    StoreUnavailable,
    TooManyPixels,
    WaitTimedOut,
)
from models.operations import parse
from models.operations.legacy_syntax import LegacyPipeline, read_legacy_operations
from models.operations.steps import check_results, final_encoding, result_count
from models.settings import Settings
from models.tasks.task import Result, Status, Task
from service.app_keys import SETTINGS
from service.auth.authenticator import AUTHENTICATOR
from service.auth.identity import client_id, identity
from service.events.long_poll import long_poll_task
from service.http.request_body import parse_json, read_body
from service.legacy.images_root import ImagesRoot
from service.legacy.items_request import (
    ItemsImage,
    ItemsRequest,
    check_paths,
    output_format,
    read_items_request,
    result_paths,
)
from service.openapi.endpoint import JSON, BodySpec, ResponseSpec, endpoint
from service.openapi.error_groups import FORM_ERRORS, TASK_ERRORS, UPLOAD_ERRORS
from service.results import read_result
from service.submissions.task_creator import TASK_CREATOR
from service.uploads.disk_space import DISK_SPACE
from service.uploads.incoming_file import IncomingFile
from service.uploads.spool import Spool

log = structlog.get_logger()

_EXAMPLE = {
    "images": [{"input": "cat.png", "output": "small/cat.png"}],
    "operations": ["resize=0.5"],
}
_COMMAND = f"curl -H 'Content-Type: application/json' -d '{json.dumps(_EXAMPLE)}' {{url}}/items/"
_IMAGE_ERRORS = (BadImage, BadParameter, TooManyPixels)


@dataclass
class _ItemsRun:
    """One request; ``skipped``: the numbers (from 1) of skipped images with the reasons."""

    request: web.Request
    settings: Settings
    folder: ImagesRoot
    items: ItemsRequest
    parsed: LegacyPipeline
    tasks: dict[int, Task] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)


@endpoint(
    "Older services",
    "Process files below IMAGES_ROOT",
    description="The call of the older batch processor; off unless IMAGES_ROOT is set. Responds "
    "with the request once the files are written; missing or broken images are skipped.",
    body=BodySpec({JSON: ItemsRequest}, example=_EXAMPLE),
    responses={
        200: ResponseSpec(
            "The request.",
            ItemsRequest,
            headers=("X-Darkroom-Skipped-Operations", "X-Darkroom-Skipped-Images"),
        )
    },
    errors=(NotFound, *FORM_ERRORS, *UPLOAD_ERRORS, *TASK_ERRORS, WaitTimedOut, ResultNotWritten),
    examples=(_COMMAND,),
)
async def run(request: web.Request) -> web.StreamResponse:
    """POST /items/: run ``operations`` on ``images``; respond when the files are written."""
    settings = request.app[SETTINGS]
    if settings.images_root is None:
        raise NotFound(
            "POST /items/ is off: set IMAGES_ROOT to the folder with the images, "
            "e.g. make run IMAGES_ROOT=/srv/pictures",
            setting="IMAGES_ROOT",
        )
    body = await read_body(request, settings)
    await request.app[AUTHENTICATOR].revalidate(request)
    items = read_items_request(parse_json(body), settings)
    job = _ItemsRun(
        request,
        settings,
        ImagesRoot(settings.images_root),
        items,
        read_legacy_operations(items.operations),
    )
    limits = settings.max_results, settings.max_batch_results
    check_results(job.parsed.operations, len(items.images), *limits)
    count = result_count(job.parsed.operations)
    await asyncio.to_thread(check_paths, items, job.folder, count)
    for number, image in enumerate(items.images, 1):
        await _submit_image(job, number, image)
    await _wait_for_tasks(job)
    for number, image in enumerate(items.images, 1):
        if number in job.tasks:
            await _write_results(job, number, image)
    return _response(job, body)


async def _submit_image(job: _ItemsRun, number: int, image: ItemsImage) -> None:
    """Submit one image; a missing or broken one is skipped."""
    output = output_format(image.output)
    operations = list(job.parsed.operations)
    if not operations or final_encoding(operations, output).format != output:
        # The extension of the output decides the format.
        operations.append(parse("convert", {"format": output}))
    with job.request.app[DISK_SPACE].spool() as spool:
        try:
            incoming = await asyncio.to_thread(_spool_input, job, image, spool)
            upload = await incoming.validate()
            submitter = job.request.app[TASK_CREATOR]
            job.tasks[number] = await submitter.find_or_create(
                upload,
                operations,
                output,
                client=client_id(job.request),
                owner=identity(job.request).owner,
            )
        except StoreUnavailable:
            raise
        except AppError as error:
            job.skipped[number] = error.detail
        except OSError as error:
            job.skipped[number] = f"it cannot be read: {type(error).__name__}"


def _spool_input(job: _ItemsRun, image: ItemsImage, spool: Spool) -> IncomingFile:
    with job.folder.open(image.input) as source:
        return IncomingFile.copy_of(PurePosixPath(image.input).name, source, spool, job.settings)


async def _wait_for_tasks(job: _ItemsRun) -> None:
    """Wait for all tasks.

    Raises:
        WaitTimedOut: they take longer than ITEMS_TIMEOUT.
    """
    loop = asyncio.get_running_loop()
    limit = job.settings.items_timeout
    deadline = loop.time() + limit
    for number, task in job.tasks.items():
        if not task.ended:
            left = max(0.0, deadline - loop.time())
            job.tasks[number] = await long_poll_task(job.request, task.id, left) or task
    if not all(task.ended for task in job.tasks.values()):
        raise WaitTimedOut(
            f"the workers did not finish within {limit:g} s (ITEMS_TIMEOUT); "
            "send the request again: finished images are not processed twice",
            setting="ITEMS_TIMEOUT",
            limit=limit,
        )


async def _write_results(job: _ItemsRun, number: int, image: ItemsImage) -> None:
    """Write the results of one image; an image with bad content is skipped.

    Raises:
        ResultNotWritten: the file system refused it.
        AppError: a worker failed; sending the request again retries it.
    """
    task = job.tasks[number]
    if task.status is not Status.SUCCESS:
        error = from_document(task.error or {"code": "internal", "detail": str(task.status)})
        if not isinstance(error, _IMAGE_ERRORS):
            raise error
        job.skipped[number] = error.detail
        return
    targets = result_paths(image.output, len(task.results))
    for result, target in zip(task.results, targets, strict=True):
        try:
            await _copy(job, task, result, target)
        except OSError as error:
            raise ResultNotWritten(
                f"image {number} cannot be written: {error.strerror or type(error).__name__}; "
                "the images before it are written",
                image=number,
            ) from error


async def _copy(job: _ItemsRun, task: Task, result: Result, target: str) -> None:
    created = job.folder.create(target)
    file = await asyncio.to_thread(created.__enter__)
    try:
        async for data in read_result(job.request.app, task, result):
            await asyncio.to_thread(file.write, data)
    except BaseException as error:
        created.__exit__(type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(created.__exit__, None, None, None)


def _response(job: _ItemsRun, body: bytes) -> web.Response:
    """Return the request's own JSON; headers list what was skipped, the log has the reasons."""
    headers = {"Cache-Control": "no-store"}
    for name, skipped in (("Operations", job.parsed.skipped), ("Images", job.skipped)):
        if skipped:
            headers[f"X-Darkroom-Skipped-{name}"] = " ".join(map(str, sorted(skipped)))
            log.info(
                "items_skipped", what=name.lower(), reasons={str(k): v for k, v in skipped.items()}
            )
    return web.Response(body=body, content_type="application/json", headers=headers)
