"""SubmissionRequest: one request that submits images, from its first byte to its response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import structlog
from aiohttp import web

from models.errors import AppError, BadParameter, BadRequest, StoreUnavailable
from models.images.inspect import FORMAT_BY_EXTENSION, MEDIA_TYPES, OutputFormat
from models.operations import Operation
from models.operations.steps import encoding, parts
from models.outbox.email_address import parse_email_address
from models.settings import Settings
from models.tasks.group import Group, Member, group_progress
from models.tasks.task import Task
from service.app_keys import SETTINGS, STORE
from service.auth.client_id import client_id
from service.auth.identity import identity
from service.auth.revalidate import revalidate
from service.events.long_poll import long_poll_group, long_poll_task
from service.http.query import reject_unknown_query, wait_seconds, wants_image_redirect
from service.submissions.callbacks import (
    add_group_callback,
    add_task_callback,
    validate_callback_url,
)
from service.submissions.group_creation import create_group
from service.submissions.task_creator import TASK_CREATOR
from service.task_response import respond_group, respond_task
from service.uploads.disk_space import DISK_SPACE
from service.uploads.incoming_file import AcceptedUpload, RejectedUpload
from service.uploads.multipart import FormShape, read_form

OperationsOf = Callable[["SubmissionRequest"], Sequence[Operation]]


class SubmissionRequest:
    """Receives images and options, creates a task for each image, and responds.

    ``wait``: seconds to wait for the tasks to end. ``redirect``: respond with 303 to the result.
    ``fields``, ``lists``: text fields that are not read yet. ``file_fields``: the names of the
    fields with files. ``members``: one for each image, in order, with its task or its error.
    """

    def __init__(self, request: web.Request, *, wait: float = 0, redirect: bool = False) -> None:
        self.request = request
        self.settings = request.app[SETTINGS]
        self.identity = identity(request)
        self.client_id = client_id(request)
        self.wait = wait
        self.redirect = redirect
        self.uploads: list[AcceptedUpload | RejectedUpload] = []
        self.file_fields: set[str] = set()
        self.fields: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.email: str | None = None
        self.callback_url: str | None = None
        self.report = False
        self.format: OutputFormat | None = None
        self.members: list[Member] = []
        self.tasks: dict[str, Task] = {}

    @classmethod
    def read_query(cls, request: web.Request) -> Self:
        """Return the submission with the options of its query and headers.

        Raises:
            BadParameter: a query parameter is unknown or invalid.
        """
        reject_unknown_query(request, "wait", "redirect")
        wait = wait_seconds(request, request.app[SETTINGS].max_wait)
        return cls(request, wait=wait, redirect=wants_image_redirect(request))

    @classmethod
    async def handle(
        cls,
        request: web.Request,
        shape: FormShape,
        operations: OperationsOf,
        *,
        own_format: bool = False,
    ) -> web.StreamResponse:
        """Handle a submission from receive to response.

        ``operations`` reads the operations from the fields that are left after the options.
        ``own_format``: see ``read_options``.

        Raises:
            AppError: nothing was submitted.
        """
        submission = cls.read_query(request)
        async with submission.receive(shape):
            await submission.read_options(own_format=own_format)
            await submission.create_tasks(operations(submission))
        return await submission.respond()

    @asynccontextmanager
    async def receive(self, shape: FormShape) -> AsyncIterator[None]:
        """Receive the form; its files exist until the block ends.

        Each file is accepted or rejected on its own.

        Raises:
            BadRequest: not a form, no file, too many, or malformed.
            TooLarge, TooSlow, InsufficientResources: see the settings.
            Unauthorized: the key was revoked during the upload.
        """
        with self.request.app[DISK_SPACE].spool() as spool:
            form = await read_form(self.request, spool, shape, self.settings)
            if not form.files:
                expected = next(iter(shape.file_fields))
                sent = ", ".join(repr(name[:40]) for name in [*form.fields, *form.lists]) or "none"
                raise BadRequest(
                    f"there is no picture in the field {expected!r} (fields sent: {sent}); "
                    f"e.g. curl -F {expected}=@cat.png",
                    field=expected,
                )
            self.uploads = [await file.validate() for file in form.files]
            await revalidate(self.request)
            self.file_fields = {file.field for file in form.files}
            self.fields, self.lists = form.fields, form.lists
            yield

    async def read_options(self, *, own_format: bool = False) -> None:
        """Take ``email``, ``callback_url``, ``report`` and ``format`` out of the fields.

        ``own_format``: the field ``format`` is a parameter of the operation and stays.

        Raises:
            BadParameter, BadCallbackUrl: one of them is invalid.
            RateLimited: too many callback URLs within the hour.
        """
        email = self.fields.pop("email", "")
        self.email = parse_email_address(email) if email else None
        callback_url = self.fields.pop("callback_url", "")
        if callback_url:
            self.callback_url = await validate_callback_url(self.request, callback_url)
        self.report = _flag("report", self.fields.pop("report", ""))
        self.format = None if own_format else _format(self.fields.pop("format", ""))

    async def create_tasks(self, operations: Sequence[Operation]) -> None:
        """Create a task for each image; an image that is refused fails alone, unless all are.

        Raises:
            BadParameter: too many results, or a ``format`` that contradicts the operations.
            AppError: every image was refused: the error of the first, with all listed.
            StoreUnavailable: the store is unavailable; it is safe to send the request again.
        """
        if self.format is not None:
            _check_format(operations, self.format)
        check_results(operations, len(self.uploads), self.settings)
        errors = []
        for upload in self.uploads:
            try:
                task = await self._create_task(upload, operations)
            except StoreUnavailable:
                raise
            except AppError as error:
                errors.append(error)
                self.members.append(Member(name=upload.name, error=error.document()))
            else:
                self.tasks[task.id] = task
                self.members.append(Member(name=upload.name, task_id=task.id))
        if not self.tasks:
            first = errors[0]
            if len(errors) > 1:
                first.facts["refused"] = [
                    {"name": member.name, **(member.error or {})} for member in self.members
                ]
            raise first

    async def _create_task(
        self, upload: AcceptedUpload | RejectedUpload, operations: Sequence[Operation]
    ) -> Task:
        if isinstance(upload, RejectedUpload):
            raise upload.error
        return await self.request.app[TASK_CREATOR].find_or_create(
            upload,
            operations,
            self.format or encoding(operations, upload.header.format).format,
            report=self.report,
            client=self.client_id,
            owner=self.identity.owner,
        )

    @property
    def first(self) -> tuple[Task, str]:
        """The task of the first accepted image, and the image's name."""
        member = next(each for each in self.members if each.task_id)
        return self.tasks[member.task_id or ""], member.name

    async def respond(self) -> web.StreamResponse:
        """Respond with the task of the one image, or with the group of several.

        Raises:
            BadCallbackUrl: the task or group has WEBHOOKS_PER_TASK callback URLs already.
        """
        if len(self.members) == 1:
            return await self._respond_task()
        group, tasks = await self._create_group()
        structlog.contextvars.bind_contextvars(group_id=group.id)
        if self.callback_url:
            await add_group_callback(self.request, self.callback_url, group)
        if self.wait:
            found = await long_poll_group(self.request, group.id, self.wait)
            group, tasks = found or (group, tasks)
        status = 200 if group_progress(group, tasks).ended else 202
        return respond_group(self.request, group, tasks, status=status, redirect=self.redirect)

    async def _respond_task(self) -> web.StreamResponse:
        task, name = self.first
        structlog.contextvars.bind_contextvars(task_id=task.id)
        group_id = None
        if self.email:
            group, _ = await self._create_group()
            group_id = group.id
        if self.callback_url:
            await add_task_callback(self.request, self.callback_url, task, name)
        if self.wait and not task.ended:
            task = await long_poll_task(self.request, task.id, self.wait) or task
        return respond_task(
            self.request,
            task,
            name=name,
            status=200 if task.ended else 202,
            redirect=self.redirect,
            group_id=group_id,
        )

    async def _create_group(self) -> tuple[Group, dict[str, Task]]:
        store, owner = self.request.app[STORE], self.identity.owner
        return await create_group(store, self.members, self.email, owner)


def check_results(operations: Sequence[Operation], pictures: int, settings: Settings) -> None:
    """Return unless a submission of ``pictures`` images would make too many results.

    Raises:
        BadParameter: more than MAX_RESULTS of each image, or MAX_BATCH_RESULTS in all.
    """
    each = parts(operations)
    if each > settings.max_results:
        raise BadParameter(
            f"the operations make {each} results of each picture; at most "
            f"{settings.max_results} are allowed (MAX_RESULTS)",
            setting="MAX_RESULTS",
            limit=settings.max_results,
            measured=each,
        )
    limit = settings.max_batch_results
    if pictures > 1 and each * pictures > limit:
        raise BadParameter(
            f"{pictures} pictures would make {each * pictures} results; at most {limit} are "
            "allowed of one submission (MAX_BATCH_RESULTS): send fewer pictures in each",
            setting="MAX_BATCH_RESULTS",
            limit=limit,
            measured=each * pictures,
        )


def _check_format(operations: Sequence[Operation], output: OutputFormat) -> None:
    """Return unless an operation writes another format than the field ``format`` says.

    Raises:
        BadParameter: one does.
    """
    written = encoding(operations, output).format
    if written != output:
        raise BadParameter(
            f"format={output} contradicts convert={written}; send one of them", parameter="format"
        )


def _flag(name: str, value: str) -> bool:
    if value not in {"", "0", "1"}:
        raise BadParameter(f"{name} is 1 or 0, not {value[:20]!a}", parameter=name)
    return value == "1"


def _format(value: str) -> OutputFormat | None:
    if not value:
        return None
    if value.lower() in FORMAT_BY_EXTENSION:
        return FORMAT_BY_EXTENSION[value.lower()]
    raise BadParameter(
        f"format {value[:20]!a} is not supported; known: {', '.join(MEDIA_TYPES)}",
        parameter="format",
        known=list(MEDIA_TYPES),
    )
