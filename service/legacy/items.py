"""POST /items/: the call of the older JSON batch processor, on files below IMAGES_ROOT."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import structlog
from aiohttp import web

from models.error_members import from_document
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
from models.images.metadata import MetadataChoice, read_choice
from models.operations import Operation, parse
from models.operations.legacy_syntax import read_legacy_operations
from models.operations.steps import check_results, final_encoding, result_count
from models.tasks.task import Result, Status, Task
from service.app_keys import SETTINGS, STORE
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
from service.submissions.task_creator import TASK_CREATOR, TaskSpec
from service.uploads.disk_space import DISK_SPACE
from service.uploads.incoming_file import IncomingFile

log = structlog.get_logger()

_EXAMPLE = {
    "images": [{"input": "cat.png", "output": "small/cat.png"}],
    "operations": ["resize=0.5"],
}
_COMMAND = f"curl -H 'Content-Type: application/json' -d '{json.dumps(_EXAMPLE)}' {{url}}/items/"
_WAIT_SECONDS = 300.0  # most proxies give up sooner; sent again, the request goes on
_IMAGE_ERRORS = (BadImage, BadParameter, TooManyPixels)


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
    if settings.http.images_root is None:
        raise NotFound(
            "POST /items/ is off: set IMAGES_ROOT to the folder with the images, "
            "e.g. make run IMAGES_ROOT=/srv/pictures",
            setting="IMAGES_ROOT",
        )
    body = await read_body(request, settings.uploads)
    await request.app[AUTHENTICATOR].revalidate(request)
    items = read_items_request(parse_json(body), settings.uploads)
    pipeline = read_legacy_operations(items.operations)
    metadata = read_choice(items.metadata)
    folder = ImagesRoot(settings.http.images_root)
    limits = settings.uploads.max_results, settings.uploads.max_batch_results
    check_results(pipeline.operations, len(items.images), *limits)
    count = result_count(pipeline.operations)
    await asyncio.to_thread(check_paths, items, folder, count)
    tasks: dict[int, Task] = {}
    skipped: dict[int, str] = {}
    for number, image in enumerate(items.images, 1):
        try:
            tasks[number] = await _submit_image(
                request, folder, image, pipeline.operations, metadata
            )
        except StoreUnavailable:
            raise
        except AppError as error:
            skipped[number] = error.detail
        except OSError as error:
            skipped[number] = f"it cannot be read: {type(error).__name__}"
    await _wait_for_tasks(request, tasks)
    for number, task in tasks.items():
        if task.status is Status.SUCCESS:
            await _write_results(request, folder, task, number, items.images[number - 1].output)
            continue
        failure = from_document(task.error or {"code": "internal", "detail": str(task.status)})
        if not isinstance(failure, _IMAGE_ERRORS):
            raise failure  # of a worker: sending the request again retries the task
        skipped[number] = failure.detail
    return _response(body, {"Operations": pipeline.skipped, "Images": skipped})


async def _submit_image(
    request: web.Request,
    folder: ImagesRoot,
    image: ItemsImage,
    pipeline: Sequence[Operation],
    metadata: MetadataChoice,
) -> Task:
    """Submit one image.

    Raises:
        AppError, OSError: it is missing or broken.
    """
    output = output_format(image.output)
    operations = list(pipeline)
    if not operations or final_encoding(operations, output).format != output:
        # The extension of the output decides the format.
        operations.append(parse("convert", {"format": output}))

    def read_input() -> IncomingFile:
        with folder.open(image.input) as source:
            name = PurePosixPath(image.input).name
            return IncomingFile.copy_of(name, source, spool, request.app[SETTINGS].uploads)

    client, owner = client_id(request), identity(request).owner
    with request.app[DISK_SPACE].spool(client) as spool:
        file = await asyncio.to_thread(read_input)
        await file.validate()
        spec = TaskSpec(file, operations, output, client, owner, metadata=metadata)
        return await request.app[TASK_CREATOR].find_or_create(spec)


async def _wait_for_tasks(request: web.Request, tasks: dict[int, Task]) -> None:
    """Wait for all tasks.

    Raises:
        WaitTimedOut: they take longer than _WAIT_SECONDS.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _WAIT_SECONDS
    for number, task in tasks.items():
        if not task.ended:
            left = max(0.0, deadline - loop.time())
            tasks[number] = await long_poll_task(request, task.id, left) or task
    if not all(task.ended for task in tasks.values()):
        raise WaitTimedOut(
            f"the workers did not finish within {_WAIT_SECONDS:g} s; "
            "send the request again: finished images are not processed twice",
            limit=_WAIT_SECONDS,
        )


async def _write_results(
    request: web.Request, folder: ImagesRoot, task: Task, number: int, output: str
) -> None:
    """Write the results of image ``number`` to ``output``.

    Raises:
        ResultNotWritten: the file system refused it.
    """
    targets = result_paths(output, len(task.results))
    for result, target in zip(task.results, targets, strict=True):
        try:
            await _copy(request, folder, result, target)
        except OSError as error:
            raise ResultNotWritten(
                f"image {number} cannot be written: {error.strerror or type(error).__name__}; "
                "the images before it are written",
                image=number,
            ) from error


async def _copy(request: web.Request, folder: ImagesRoot, result: Result, target: str) -> None:
    created = folder.create(target)
    file = await asyncio.to_thread(created.__enter__)
    try:
        async for data in request.app[STORE].results.read(result.file_id, 0, result.bytes):
            await asyncio.to_thread(file.write, data)
    except BaseException as error:
        created.__exit__(type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(created.__exit__, None, None, None)


def _response(body: bytes, skipped: Mapping[str, Mapping[int, str]]) -> web.Response:
    """Return the request's own JSON; headers list what was skipped, the log has the reasons."""
    headers = {"Cache-Control": "no-store"}
    for name, reasons in skipped.items():
        if reasons:
            headers[f"X-Darkroom-Skipped-{name}"] = " ".join(map(str, sorted(reasons)))
            log.info(
                "items_skipped", what=name.lower(), reasons={str(k): v for k, v in reasons.items()}
            )
    return web.Response(body=body, content_type="application/json", headers=headers)
