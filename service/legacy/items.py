"""POST /items/: the older JSON batch processor, over files below IMAGES_ROOT."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import structlog
from aiohttp import web

from models.errors import (
    AppError,
    BadImage,
    BadParameter,
    NotFinished,
    NotFound,
    NotWritten,
    StoreUnavailable,
    TooManyPixels,
    from_document,
)
from models.operations import parse
from models.operations.legacy_syntax import Older, read
from models.operations.steps import encoding, parts
from models.settings import Settings
from models.tasks.task import Result, Status, Task
from service.app_keys import ADMISSION, SETTINGS, SUBMITTER
from service.auth.identity import caller
from service.auth.revalidate import ended_task, still_good
from service.http.client_ip import party
from service.http.json_body import read_body, to_json
from service.http.query import only
from service.legacy.images_root import Folder
from service.legacy.items_request import Image, Order, check, format_of, read_order, targets_of
from service.openapi.endpoint import JSON, Answer, Body, call
from service.openapi.error_groups import FORM, PICTURES, WORK
from service.results import result_bytes
from service.submissions.submit import check_results
from service.uploads.incoming_file import Arrival
from service.uploads.spool import Spool
from service.uploads.validation import Refused, judge

log = structlog.get_logger()

_EXAMPLE = {
    "images": [{"input": "cat.png", "output": "small/cat.png"}],
    "operations": ["resize=0.5"],
}
_COMMAND = f"curl -H 'Content-Type: application/json' -d '{json.dumps(_EXAMPLE)}' {{url}}/items/"
_PICTURES_FAULT = (BadImage, BadParameter, TooManyPixels)


@dataclass
class _Run:
    """One request: what is asked, and which images (from 1) are skipped, with the reason."""

    request: web.Request
    settings: Settings
    folder: Folder
    items: Order
    older: Older
    tasks: dict[int, Task] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)


@call(
    "Older services",
    "Do operations to files below IMAGES_ROOT",
    description="The call of the older batch processor; off unless IMAGES_ROOT is set. Answers "
    "with the request when the files are there; pictures that are missing or broken are skipped.",
    body=Body({JSON: Order}, example=_EXAMPLE),
    answers={
        200: Answer(
            "The request.",
            Order,
            headers=("X-Darkroom-Skipped-Operations", "X-Darkroom-Skipped-Images"),
        )
    },
    errors=(NotFound, *FORM, *PICTURES, *WORK, NotFinished, NotWritten),
    examples=(_COMMAND,),
)
async def run(request: web.Request) -> web.StreamResponse:
    """Do ``operations`` to each of ``images``; answer with the request when the files are there."""
    settings = request.app[SETTINGS]
    only(request)
    if settings.images_root is None:
        raise NotFound(
            "POST /items/ is off: set IMAGES_ROOT to the folder with the pictures, "
            "e.g. make run IMAGES_ROOT=/srv/pictures",
            setting="IMAGES_ROOT",
        )
    body = await read_body(request, settings)
    await still_good(request)
    items = read_order(to_json(body), settings)
    job = _Run(request, settings, Folder(settings.images_root), items, read(items.operations))
    check_results(job.older.operations, len(items.images), settings)
    count = parts(job.older.operations)
    await asyncio.to_thread(check, items, job.folder, count)
    for number, image in enumerate(items.images, 1):
        await _start(job, number, image)
    await _ended(job)
    for number, image in enumerate(items.images, 1):
        if number in job.tasks:
            await _write(job, number, image)
    return _answer(job, body)


async def _start(job: _Run, number: int, image: Image) -> None:
    """Submit one picture; what is missing or broken is skipped."""
    output = format_of(image.output)
    operations = list(job.older.operations)
    if not operations or encoding(operations, output).format != output:
        # The output's name has the last word on its format.
        operations.append(parse("convert", {"format": output}))
    with job.request.app[ADMISSION].spool() as spool:
        try:
            arrival = await asyncio.to_thread(_fetch, job, image, spool)
            picture = await judge(arrival, job.settings)
            if isinstance(picture, Refused):
                raise picture.error
            submitter = job.request.app[SUBMITTER]
            job.tasks[number] = await submitter.submit(
                picture,
                operations,
                output,
                client=party(job.request),
                owner=caller(job.request).owner,
            )
        except StoreUnavailable:
            raise
        except AppError as error:
            job.skipped[number] = error.detail
        except OSError as error:
            job.skipped[number] = f"it cannot be read: {type(error).__name__}"


def _fetch(job: _Run, image: Image, spool: Spool) -> Arrival:
    with job.folder.open(image.input) as source:
        return Arrival.of(PurePosixPath(image.input).name, source, spool, job.settings)


async def _ended(job: _Run) -> None:
    """Wait for all tasks.

    Raises:
        NotFinished: they take longer than ITEMS_TIMEOUT.
    """
    loop = asyncio.get_running_loop()
    limit = job.settings.items_timeout
    deadline = loop.time() + limit
    for number, task in job.tasks.items():
        if not task.ended:
            left = max(0.0, deadline - loop.time())
            job.tasks[number] = await ended_task(job.request, task.id, left) or task
    if not all(task.ended for task in job.tasks.values()):
        raise NotFinished(
            f"the workers did not finish within {limit:g} s (ITEMS_TIMEOUT); "
            "send the same again: what is done is not done twice",
            setting="ITEMS_TIMEOUT",
            limit=limit,
        )


async def _write(job: _Run, number: int, image: Image) -> None:
    """Write the results of one picture; one whose content is at fault is skipped.

    Raises:
        NotWritten: the disk or its rights are at fault.
        AppError: the workers are at fault; sending the same again tries it again.
    """
    task = job.tasks[number]
    if task.status is not Status.SUCCESS:
        error = from_document(task.error or {"code": "internal", "detail": str(task.status)})
        if not isinstance(error, _PICTURES_FAULT):
            raise error
        job.skipped[number] = error.detail
        return
    targets = targets_of(image.output, len(task.results))
    for result, target in zip(task.results, targets, strict=True):
        try:
            await _copy(job, task, result, target)
        except OSError as error:
            raise NotWritten(
                f"image {number} cannot be written: {error.strerror or type(error).__name__}; "
                "what came before it is there",
                image=number,
            ) from error


async def _copy(job: _Run, task: Task, result: Result, target: str) -> None:
    created = job.folder.create(target)
    file = await asyncio.to_thread(created.__enter__)
    try:
        async for data in result_bytes(job.request.app, task, result):
            await asyncio.to_thread(file.write, data)
    except BaseException as error:
        created.__exit__(type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(created.__exit__, None, None, None)


def _answer(job: _Run, body: bytes) -> web.Response:
    """Return the request's own JSON; numbers of what was skipped in headers, reasons in the log."""
    headers = {"Cache-Control": "no-store"}
    for name, skipped in (("Operations", job.older.skipped), ("Images", job.skipped)):
        if skipped:
            headers[f"X-Darkroom-Skipped-{name}"] = " ".join(map(str, sorted(skipped)))
            log.info("skipped", what=name.lower(), reasons={str(k): v for k, v in skipped.items()})
    return web.Response(body=body, content_type="application/json", headers=headers)
