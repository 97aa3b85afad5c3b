"""SubmissionRequest: one request that submits images, from its first byte to its response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from models.animation import choose_encoding
from models.errors import AppError, BadRequest, StoreUnavailable
from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice, read_choice
from models.operations import Operation, parse
from models.operations.convert import is_encoded_quality
from models.operations.steps import check_format, check_results
from models.outbox.email_address import parse_email_address
from models.tasks.group import Group, Member, group_progress
from models.tasks.task import Task
from service.app_keys import SETTINGS, STORE
from service.auth.authenticator import AUTHENTICATOR
from service.auth.identity import client_id, identity
from service.events.long_poll import long_poll_group, long_poll_task
from service.http.request_counts import REQUEST_COUNTS
from service.query import (
    AUTO_FORMAT,
    flag,
    preferred_format,
    read_format,
    wait_seconds,
    wants_image_redirect,
)
from service.submissions import callbacks
from service.submissions.fetching import fetch_pictures
from service.submissions.groups import create_group
from service.submissions.preset_fields import expand_preset
from service.submissions.second_picture import with_watermark
from service.submissions.task_creator import TASK_CREATOR, TaskSpec
from service.task_response import respond_group, respond_task
from service.uploads.disk_space import DISK_SPACE
from service.uploads.form import Form, FormShape
from service.uploads.incoming_file import IncomingFile
from service.uploads.receive import read_form

OperationsOf = Callable[["SubmissionRequest"], Sequence[Operation]]


class SubmissionRequest:
    """Receives images and options, creates a task for each image, and responds.

    ``wait``: seconds to wait for the tasks to end. ``redirect``: respond with 303 to the result.
    ``form``: its files, and the text fields that are not read yet. ``members``: one for each image,
    in order, with its task or its error.
    """

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.settings = request.app[SETTINGS]
        self.wait = wait_seconds(request, self.settings.http.max_wait)
        self.redirect = wants_image_redirect(request)
        self.form = Form()
        self.email: str | None = None
        self.callback_url: str | None = None
        self.report = False
        self.metadata: MetadataChoice = "none"
        self.format: OutputFormat | None = None
        self.encoding: dict[str, str] = {}
        self.negotiated = False
        self.members: list[Member] = []
        self.tasks: dict[str, Task] = {}

    @classmethod
    async def handle(
        cls,
        request: web.Request,
        shape: FormShape,
        operations: OperationsOf,
        own: Collection[str] = (),
    ) -> web.StreamResponse:
        """Handle a submission from its query to the response.

        ``operations`` reads the operations from the fields that are left after the options.
        ``own``: see ``read_options``.

        Raises:
            AppError: nothing was submitted.
        """
        submission = cls(request)
        async with submission.receive(shape):
            if shape.presets:
                await expand_preset(request, submission.form.fields)
            await submission.read_options(own)
            await submission.create_tasks(operations(submission))
        return await submission.respond()

    @asynccontextmanager
    async def receive(self, shape: FormShape) -> AsyncIterator[None]:
        """Receive the form; its files exist until the block ends.

        Each file is accepted or rejected on its own.

        Raises:
            BadRequest: not a form, no file, too many, or malformed.
            BadParameter, RateLimited: see ``fetch_pictures``.
            TooLarge, UploadTooSlow, InsufficientResources: see the settings.
            Unauthorized: the key was revoked during the upload.
        """
        with self.request.app[DISK_SPACE].spool(client_id(self.request)) as spool:
            self.form = await read_form(self.request, spool, shape)
            if self.form.urls:
                self.form.files += await fetch_pictures(self.request, self.form, spool)
            if not self.form.files:
                expected = shape.file_field
                other = ", or a URL as image_url" if shape.other_bodies else ""
                sent = ", ".join(repr(name[:40]) for name in self.form.fields) or "none"
                raise BadRequest(
                    f"there is no picture in the field {expected!r} (fields sent: {sent}); "
                    f"e.g. curl -F {expected}=@cat.png{other}",
                    field=expected,
                )
            await self.request.app[AUTHENTICATOR].revalidate(self.request)
            yield

    async def read_options(self, own: Collection[str] = ()) -> None:
        """Take the options out of the fields: e-mail, callback, report, metadata, and the encoding.

        ``own``: names of the operation's parameters, which stay. Where ``format`` is not one of
        them, ``quality`` may have values of both: those that ``convert`` knows are taken.
        ``format=auto`` is always taken: what is chosen may differ from picture to picture.

        Raises:
            BadParameter, BadCallbackUrl: one of them is invalid.
            RateLimited: too many callback URLs within the hour.
        """
        fields = self.form.fields
        email = fields.pop("email", "")
        self.email = parse_email_address(email) if email else None
        if url := fields.pop("callback_url", ""):
            self.callback_url = await callbacks.validate_callback_url(self.request, url)
        self.report = flag({"report": fields.pop("report", "") or "0"}, "report")
        self.metadata = read_choice(fields.pop("metadata", ""))
        auto = fields.get("format", "").lower() == AUTO_FORMAT
        if "format" in own and not auto:
            return
        given = fields.pop("format", "")
        self.negotiated = auto
        if auto:
            self.format = preferred_format(self.request, fields.get("frames", ""))
        elif given:
            self.format = read_format(given)
        if "format" in own or "quality" not in own or is_encoded_quality(fields.get("quality", "")):
            self.encoding["quality"] = fields.pop("quality", "")
        for name in ("progressive", "max_bytes", "frames"):
            self.encoding[name] = fields.pop(name, "")

    def operation(self, op: str) -> Sequence[Operation]:
        """Return ``op`` with the fields that are left; none for a convert to ``format=auto``."""
        if op == "convert" and self.negotiated and not self.form.fields:
            return []
        return [parse(op, self.form.fields)]

    async def create_tasks(self, operations: Sequence[Operation]) -> None:
        """Create a task for each image; an image that is refused fails alone, unless all are.

        Raises:
            BadParameter: too many results, or a ``format`` that contradicts the operations.
            AppError: every image was refused: the error of the first, with all listed.
            StoreUnavailable: the store is unavailable; it is safe to send the request again.
        """
        if self.format is not None:
            check_format(operations, self.format)
        limits = self.settings.uploads.max_results, self.settings.uploads.max_batch_results
        results = check_results(operations, len(self.form.files), *limits)
        if urls := self.form.deliver_urls:
            await callbacks.validate_deliver_urls(self.request, urls, results)
        operations, errors = await with_watermark(self.form, operations), []
        for file in self.form.files:
            try:
                task = await self._create_task(file, operations)
            except StoreUnavailable:
                raise
            except AppError as error:
                errors.append(error)
                self.members.append(Member(name=file.name, error=error.document()))
            else:
                self.tasks[task.id] = task
                self.members.append(Member(name=file.name, task_id=task.id))
        # The middleware counts the error that is raised.
        for refusal in errors if self.tasks else errors[1:]:
            self.request.app[REQUEST_COUNTS].refused(refusal.code)
        if not self.tasks:
            first = errors[0]
            if len(errors) > 1:
                first.facts["refused"] = [
                    {"name": member.name, **(member.error or {})} for member in self.members
                ]
            raise first

    async def _create_task(self, file: IncomingFile, operations: Sequence[Operation]) -> Task:
        await file.validate()
        output, encoding = choose_encoding(file.header, operations, self.format, self.encoding)
        if encoding or not operations:
            operations = [*operations, parse("convert", {"format": output, **encoding})]
        client, owner = client_id(self.request), identity(self.request).owner
        asked = self.report, self.metadata, self.form.watermark
        spec = TaskSpec(file, operations, output, client, owner, *asked)
        return await self.request.app[TASK_CREATOR].find_or_create(spec)

    @property
    def first(self) -> tuple[Task, str]:
        """The task of the first accepted image, and the image's name."""
        member = next(each for each in self.members if each.task_id)
        return self.tasks[member.task_id or ""], member.name

    async def respond(self) -> web.StreamResponse:
        """Respond with the task of the one image, or with the group of several.

        Raises:
            BadCallbackUrl: the task or group has MAX_CALLBACKS callback URLs already.
        """
        if urls := self.form.deliver_urls:
            await callbacks.add_deliveries(self.request, urls, self.members, self.tasks)
        response = await self._respond()
        if self.negotiated and not response.prepared:
            vary = response.headers.get("Vary")
            response.headers["Vary"] = f"{vary}, Accept" if vary else "Accept"
        return response

    async def _respond(self) -> web.StreamResponse:
        if len(self.members) == 1:
            return await self._respond_task()
        group, tasks = await self._create_group()
        structlog.contextvars.bind_contextvars(group_id=group.id)
        if self.callback_url:
            await callbacks.add_callback(self.request, self.callback_url, group)
        if self.wait:
            found = await long_poll_group(self.request, group.id, self.wait)
            group, tasks = found or (group, tasks)
        status = 200 if group_progress(group, tasks).ended else 202
        return await respond_group(
            self.request, group, tasks, status=status, redirect=self.redirect
        )

    async def _respond_task(self) -> web.StreamResponse:
        task, name = self.first
        structlog.contextvars.bind_contextvars(task_id=task.id)
        group_id = (await self._create_group())[0].id if self.email else None
        if self.callback_url:
            await callbacks.add_callback(self.request, self.callback_url, task, name)
        if self.wait and not task.ended:
            task = await long_poll_task(self.request, task.id, self.wait) or task
        status = 200 if task.ended else 202
        return await respond_task(
            self.request, task, name=name, status=status, redirect=self.redirect, group_id=group_id
        )

    async def _create_group(self) -> tuple[Group, dict[str, Task]]:
        store, owner = self.request.app[STORE], identity(self.request).owner
        return await create_group(store, self.members, self.email, owner)
