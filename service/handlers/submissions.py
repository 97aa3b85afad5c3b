"""POST /<operation> and POST /process: pictures in, a task or a group of them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import BadParameter
from models.images.inspect import ACCEPTED, FORMAT_OF, MEDIA_TYPES, Format
from models.operations import OPERATIONS, Operation, parse
from models.operations.parameter_docs import fields, summary
from models.operations.steps import encoding, read
from models.outbox.email_address import address
from models.settings import Settings
from models.tasks.group import Group, standing
from models.tasks.schemas import GroupBody, TaskBody
from models.tasks.task import Task
from service.app_keys import ADMISSION, SETTINGS, STORE, SUBMITTER
from service.auth.identity import caller
from service.auth.revalidate import ended_group, ended_task
from service.http.client_ip import party
from service.http.query import Waiting, only, seconds, wants_picture
from service.openapi import form_schemas
from service.openapi.endpoint import FORM, Answer, Body, call
from service.openapi.error_groups import PICTURES as REFUSALS
from service.openapi.error_groups import WORK
from service.openapi.headers import Prefer
from service.submissions import batch as batches
from service.submissions.callbacks import accepted, tell_of_group, tell_of_task
from service.task_response import respond, respond_group
from service.uploads.multipart import Shape
from service.uploads.receive import Received, receive

PICTURES = dict.fromkeys(("image", "images", "images[]", "file", "files"), ACCEPTED)
"""Names of the field with the pictures; the first is ours, the others are what people send."""

Build = Callable[[Received, Settings], Sequence[Operation]]

ANSWERS = {
    200: Answer(
        "It ended already, or within wait: the task of the one picture, or the group of several.",
        TaskBody | GroupBody,
        headers=("Location",),
    ),
    202: Answer("The same, not ended yet.", TaskBody | GroupBody, headers=("Location",)),
    303: Answer("The way to what was made, with redirect=1.", headers=("Location",)),
}
"""Of a submission."""


def submission(op: str) -> Handler:
    """Return the handler that submits pictures to the operation ``op``."""

    @call(
        "Pictures",
        summary(OPERATIONS[op]),
        query=Waiting,
        headers=Prefer,
        body=Body({FORM: form_schemas.operation(op)}),
        answers=ANSWERS,
        errors=(*REFUSALS, *WORK),
        examples=(f"curl -F image=@cat.png{fields(OPERATIONS[op])} '{{url}}/{op}?wait=30'",),
    )
    async def submit(request: web.Request) -> web.StreamResponse:
        asked = Asked.of(request)
        with request.app[ADMISSION].spool() as spool:
            received = await receive(request, spool, asked.shape(), asked.settings)
            batch = await asked.submit_to(op, received)
        return await asked.answer(batch)

    return submit


@call(
    "Pictures",
    "Do several operations to a picture, left to right",
    query=Waiting,
    headers=Prefer,
    body=Body({FORM: form_schemas.pipeline}),
    answers=ANSWERS,
    errors=(*REFUSALS, *WORK),
    examples=(
        "curl -F image=@cat.png -F operations=resize=2 -F operations=grayscale {url}/process",
        """curl -F image=@cat.png -F 'operations=["split", "blur=25"]' {url}/process""",
        "curl -F image=@cat.png -F image=@dog.jpg -F operations=split -F format=webp {url}/process",
    ),
)
async def process(request: web.Request) -> web.StreamResponse:
    """POST /process: several operations, left to right."""
    asked = Asked.of(request)
    with request.app[ADMISSION].spool() as spool:
        shape = asked.shape(frozenset({"operations", "operations[]"}))
        received = await receive(request, spool, shape, asked.settings)
        batch = await asked.submit(received, _several)
    return await asked.answer(batch)


def _several(received: Received, settings: Settings) -> Sequence[Operation]:
    if received.fields:
        unknown = ", ".join(f"{name[:40]!a}" for name in received.fields)
        raise BadParameter(
            f"unknown field {unknown}; known: operations, format, email, "
            "callback_url, report "
            "(parameters belong to their operation)",
            parameter=next(iter(received.fields))[:40],
        )
    listed = [value for values in received.lists.values() for value in values]
    return read(listed, settings.max_operations)


@dataclass
class Asked:
    """How one submission wants to be answered, known before its pictures have come.

    ``wait`` in seconds; ``email`` is where its results may be sent, ``callback`` what is called
    when it has ended.
    """

    request: web.Request
    settings: Settings
    wait: float
    redirect: bool
    email: str | None = None
    callback: str | None = None

    @classmethod
    def of(cls, request: web.Request) -> Self:
        """Read the query and the headers.

        Raises:
            BadParameter: a query parameter is unknown or wrong.
        """
        settings = request.app[SETTINGS]
        only(request, "wait", "redirect")
        return cls(request, settings, seconds(request, settings.max_wait), wants_picture(request))

    def shape(self, repeated: frozenset[str] = frozenset()) -> Shape:
        return Shape(PICTURES, most=self.settings.max_batch, repeated=repeated)

    async def submit(
        self, received: Received, build: Build, *, own_format: bool = False
    ) -> batches.Batch:
        """Submit what came to the operations that ``build`` reads from its fields.

        ``own_format``: the field ``format`` is the operation's parameter, not the results' format.

        Raises:
            AppError: a field is wrong, or every picture was refused.
        """
        fields = received.fields
        given = fields.pop("email", "")
        self.email = address(given) if given else None
        self.callback = await accepted(self.request, fields.pop("callback_url", ""))
        report = _flag("report", fields.pop("report", ""))
        asked = None if own_format else _format(fields.pop("format", ""))
        operations = build(received, self.settings)
        _agree(operations, asked)
        return await batches.submit(
            self.request.app[SUBMITTER],
            received.pictures,
            operations,
            asked,
            report=report,
            client=party(self.request),
            owner=caller(self.request).owner,
        )

    async def submit_to(self, op: str, received: Received) -> batches.Batch:
        """Submit what came to one operation, whose parameters are its fields."""

        def build(received: Received, settings: Settings) -> Sequence[Operation]:
            return [parse(op, received.fields)]

        own = "format" in OPERATIONS[op].model_fields
        return await self.submit(received, build, own_format=own)

    async def answer(self, batch: batches.Batch) -> web.StreamResponse:
        """Answer with the task of the one picture, or with the group of several."""
        if len(batch.members) == 1:
            return await self._one(batch)
        group, tasks = await self._keep(batch)
        structlog.contextvars.bind_contextvars(group_id=group.id)
        if self.callback:
            await tell_of_group(self.request, self.callback, group)
        if self.wait:
            found = await ended_group(self.request, group.id, self.wait)
            group, tasks = found or (group, tasks)
        status = 200 if standing(group, tasks).ended else 202
        return respond_group(self.request, group, tasks, status=status, redirect=self.redirect)

    async def _keep(self, batch: batches.Batch) -> tuple[Group, dict[str, Task]]:
        owner = caller(self.request).owner
        return await batches.keep(self.request.app[STORE], batch, self.email, owner)

    async def _one(self, batch: batches.Batch) -> web.StreamResponse:
        task, name = batch.first
        structlog.contextvars.bind_contextvars(task_id=task.id)
        group_id = None
        if self.email:
            group, _ = await self._keep(batch)
            group_id = group.id
        if self.callback:
            await tell_of_task(self.request, self.callback, task, name)
        if self.wait and not task.ended:
            task = await ended_task(self.request, task.id, self.wait) or task
        return respond(
            self.request,
            task,
            name=name,
            status=200 if task.ended else 202,
            redirect=self.redirect,
            group_id=group_id,
        )


def _agree(operations: Sequence[Operation], asked: Format | None) -> None:
    """Refuse a field ``format`` that an operation of the pipeline contradicts.

    Raises:
        BadParameter: it does.
    """
    said = encoding(operations, asked or "png").format
    if asked and said != asked:
        raise BadParameter(
            f"format={asked} contradicts convert={said}; send one of them", parameter="format"
        )


def _flag(name: str, value: str) -> bool:
    if value not in {"", "0", "1"}:
        raise BadParameter(f"{name} is 1 or 0, not {value[:20]!a}", parameter=name)
    return value == "1"


def _format(asked: str) -> Format | None:
    if not asked:
        return None
    if asked.lower() in FORMAT_OF:
        return FORMAT_OF[asked.lower()]
    raise BadParameter(
        f"format {asked[:20]!a} is not written; known: {', '.join(MEDIA_TYPES)}",
        parameter="format",
        known=list(MEDIA_TYPES),
    )
