"""POST /items/: the older JSON batch processor, over files below IMAGES_ROOT."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import AppError, BadParameter, BadRequest, NotFound, StoreUnavailable
from models.image import FORMAT_OF, Format
from models.operations import parse
from models.operations.older import Older, read
from models.settings import Settings
from models.task import Status, Task
from service.arrival import Arrival, Spool
from service.documents import read_json
from service.errors import RETRY_AFTER, problem
from service.folder import Folder
from service.keys import ENDINGS, SETTINGS, SUBMITTER
from service.results import result_bytes
from service.upload import Refused, judge

log = structlog.get_logger()


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
    if not await _ended(job):
        return problem(
            503,
            "not_finished",
            f"the workers did not finish within {settings.items_timeout:g} s (ITEMS_TIMEOUT); "
            "send the same again: what is done is not done twice",
            {"setting": "ITEMS_TIMEOUT", "limit": settings.items_timeout},
            {"Retry-After": str(RETRY_AFTER)},
        )
    for number, image in enumerate(items.images, 1):
        if number in job.tasks:
            try:
                await _write(job, number, image)
            except OSError as error:
                job.skipped[number] = f"it cannot be written: {type(error).__name__}"
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
    """Refuse paths that lead out, and outputs that no format writes, before anything is done."""
    for image in job.items.images:
        job.folder.check(image.input)
        job.folder.check(image.output)
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
    operations = job.older.operations or [parse("convert", {"format": output})]
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


async def _ended(job: _Run) -> bool:
    """Wait for all tasks, at most ITEMS_TIMEOUT; tell whether all have ended."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + job.settings.items_timeout
    for number, task in job.tasks.items():
        if not task.ended:
            left = max(0.0, deadline - loop.time())
            job.tasks[number] = await job.request.app[ENDINGS].wait(task.id, left) or task
    return all(task.ended for task in job.tasks.values())


async def _write(job: _Run, number: int, image: Image) -> None:
    task = job.tasks[number]
    if task.status is not Status.SUCCESS:
        job.skipped[number] = str((task.error or {}).get("detail", task.status))
        return
    path = PurePosixPath(image.output)
    several = len(task.results) > 1
    for part, result in enumerate(task.results, 1):
        target = path.with_stem(f"{path.stem}_{part}") if several else path
        created = job.folder.create(str(target))
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
    headers = {"Cache-Control": "no-store"}
    for name, skipped in (("Operations", job.older.skipped), ("Images", job.skipped)):
        if skipped:
            headers[f"X-Darkroom-Skipped-{name}"] = " ".join(map(str, sorted(skipped)))
            log.info("skipped", what=name.lower(), reasons={str(k): v for k, v in skipped.items()})
    return web.json_response(document, headers=headers)
