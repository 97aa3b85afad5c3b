"""POST /items/: the older JSON batch processor, over files below IMAGES_ROOT."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import (
    AppError,
    BadImage,
    BadParameter,
    BadRequest,
    NotFinished,
    NotFound,
    NotWritten,
    StoreUnavailable,
    TooManyPixels,
    from_document,
)
from models.image import FORMAT_OF, Format
from models.operations import parse
from models.operations.older import Older, read
from models.operations.pipeline import encoding
from models.settings import Settings
from models.task import Result, Status, Task
from service.answers import json_answer
from service.arrival import Arrival
from service.documents import read_json
from service.folder import Folder
from service.keys import ENDINGS, SETTINGS, SUBMITTER
from service.results import result_bytes
from service.spool import Spool
from service.upload import Refused, judge
from service.waiting import only

log = structlog.get_logger()

_PICTURES_FAULT = (BadImage, BadParameter, TooManyPixels)


class Image(BaseModel):
    """One picture: where it lies and where its results go, both below IMAGES_ROOT."""

    model_config = ConfigDict(extra="ignore")
    input: str
    output: str


class Items(BaseModel):
    """What the older service took."""

    model_config = ConfigDict(extra="ignore")
    images: list[Image] = Field(min_length=1)
    operations: list[str] = []


@dataclass
class _Run:
    """One request: what is asked, and which images (from 1) are skipped, with the reason."""

    request: web.Request
    settings: Settings
    folder: Folder
    items: Items
    older: Older
    tasks: dict[int, Task] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)


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
    document = await read_json(request, settings)
    items = _items(document, settings)
    job = _Run(request, settings, Folder(settings.images_root), items, read(items.operations))
    await asyncio.to_thread(_check, job)
    for number, image in enumerate(items.images, 1):
        await _start(job, number, image)
    await _ended(job)
    for number, image in enumerate(items.images, 1):
        if number in job.tasks:
            await _write(job, number, image)
    return _answer(job, document)


def _items(document: Any, settings: Settings) -> Items:
    try:
        items = Items.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:80]
        raise BadRequest(
            f"{where or 'the body'}: {first['msg']}; send "
            '{"images": [{"input": "a.png", "output": "b.png"}], "operations": ["resize=2"]}'
        ) from None
    for name, count, limit, setting in (
        ("images", len(items.images), settings.max_batch, "MAX_BATCH"),
        ("operations", len(items.operations), settings.max_operations, "MAX_OPERATIONS"),
    ):
        if count > limit:
            raise BadParameter(
                f"{count} {name}; at most {limit} are allowed ({setting})",
                setting=setting,
                limit=limit,
                measured=count,
            )
    return items


def _check(job: _Run) -> None:
    """Refuse paths that lead out, and outputs that cannot be, before anything is done."""
    for image in job.items.images:
        job.folder.check_input(image.input)
        job.folder.check_output(image.output)
        _format(image.output)


def _format(path: str) -> Format:
    suffix = PurePosixPath(path).suffix.lower().lstrip(".")
    if suffix not in FORMAT_OF:
        raise BadParameter(
            f"the output {path[:80]!a} must end in one of {', '.join(FORMAT_OF)}",
            known=list(FORMAT_OF),
        )
    return FORMAT_OF[suffix]


async def _start(job: _Run, number: int, image: Image) -> None:
    """Submit one picture; what is missing or broken is skipped."""
    output = _format(image.output)
    operations = list(job.older.operations)
    if not operations or encoding(operations, output).format != output:
        # The output's name has the last word on its format.
        operations.append(parse("convert", {"format": output}))
    with Spool() as spool:
        try:
            arrival = await asyncio.to_thread(_fetch, job, image, spool)
            picture = await judge(arrival, job.settings)
            if isinstance(picture, Refused):
                raise picture.error
            submitter = job.request.app[SUBMITTER]
            job.tasks[number] = await submitter.submit(picture, operations, output)
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
            job.tasks[number] = await job.request.app[ENDINGS].wait(task.id, left) or task
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
    path = PurePosixPath(image.output)
    several = len(task.results) > 1
    for part, result in enumerate(task.results, 1):
        target = path.with_stem(f"{path.stem}_{part}") if several else path
        try:
            await _copy(job, result, str(target))
        except OSError as error:
            raise NotWritten(
                f"image {number} cannot be written: {error.strerror or type(error).__name__}; "
                "what came before it is there",
                image=number,
            ) from error


async def _copy(job: _Run, result: Result, target: str) -> None:
    created = job.folder.create(target)
    file = await asyncio.to_thread(created.__enter__)
    try:
        async for data in result_bytes(job.request.app, result):
            await asyncio.to_thread(file.write, data)
    except BaseException as error:
        created.__exit__(type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(created.__exit__, None, None, None)


def _answer(job: _Run, document: Any) -> web.Response:
    """Return the request's own JSON; numbers of what was skipped in headers, reasons in the log."""
    headers = {}
    for name, skipped in (("Operations", job.older.skipped), ("Images", job.skipped)):
        if skipped:
            headers[f"X-Darkroom-Skipped-{name}"] = " ".join(map(str, sorted(skipped)))
            log.info("skipped", what=name.lower(), reasons={str(k): v for k, v in skipped.items()})
    return json_answer(document, headers=headers)
