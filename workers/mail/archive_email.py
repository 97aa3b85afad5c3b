"""The letter that brings the results of a group: attached, or as a link where too large."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from models.auth.signed_links import Link
from models.outbox.email import Letter
from models.tasks.group import Group, standing
from models.tasks.task import Status, Task
from models.tasks.zip_archive import Archive
from workers.mail.context import Attachment, Content, Desk
from workers.mail.templates import render
from workers.outbox import NotYet, Pointless

_SHOWN = 100  # failures a letter lists; the archive's errors.txt has all
_LONGEST_PAUSE = 60.0  # seconds between two looks at a group that is not done
_ODD = re.compile(r"[^A-Za-z0-9_-]")


async def archive(desk: Desk, letter: Letter) -> Content:
    """Return the letter for a group that has ended.

    Raises:
        NotYet: it has not.
        Pointless: there is no such group any more.
        StoreUnavailable: the group cannot be read now.
    """
    group_id = letter.context["group_id"]
    found = await desk.store.groups.find(group_id)
    if found is None:
        raise Pointless("the group is gone")
    group, tasks = found
    if not standing(group, tasks).ended:
        # The longer it lasts, the less a minute matters.
        age = (datetime.now(UTC) - letter.created_at).total_seconds()
        raise NotYet(min(max(desk.settings.sweep_seconds, age / 10), _LONGEST_PAUSE))
    zipped = Archive(group, tasks, lambda r: desk.store.results.read(r.file_id, 0, r.bytes))
    limit = desk.settings.max_attachment_bytes
    results = len(zipped.entries)
    status = f"{desk.settings.url}/status/{group_id}"
    attachment = None
    if results and zipped.length <= limit:
        name = f"darkroom-{_ODD.sub('', group_id)[:40]}.zip"
        attachment = Attachment(name, lambda: _whole(zipped))
    text, html = render(
        "archive",
        url=desk.settings.url,
        results=results,
        total=len(group.members),
        failed=_failed(group, tasks),
        shown=_SHOWN,
        link="" if attachment or not results else await _link(desk, group),
        size=_size(zipped.length),
        limit=_size(limit),
        status=status,
    )
    subject = "Your pictures are ready" if results else "Your pictures could not be made"
    return Content(subject, text, html, attachment=attachment)


async def _link(desk: Desk, group: Group) -> str:
    """Return where the archive is; a key's is signed: who reads the letter need not have the key.

    It is refused where the key is void by then.
    """
    path = f"/status/{group.id}/archive"
    if not group.owner:
        return f"{desk.settings.url}{path}"
    key = await desk.store.keys.get(group.owner)
    until = int(time.time()) + desk.settings.link_ttl_most
    link = Link(path, group.owner, until)
    return f"{desk.settings.url}{link.sealed(desk.tokens, key.made if key else 0)}"


async def _whole(zipped: Archive) -> bytes:
    return b"".join([piece async for piece in zipped.stream()])


def _failed(group: Group, tasks: Mapping[str, Task]) -> list[dict[str, str]]:
    """Return the name of each picture without a result, and why there is none."""
    failed = []
    for member in group.members:
        task = tasks.get(member.task_id or "")
        if task is not None and task.status is Status.SUCCESS:
            if task.results and not task.served(task.upload(member.name)):
                failed.append({"name": member.name, "detail": "its result is no longer kept"})
            continue
        error: Mapping[str, Any] = (member.error if task is None else task.error) or {}
        fallback = "it was cancelled" if task is not None else "it is gone"
        failed.append({"name": member.name, "detail": str(error.get("detail") or fallback)})
    return failed


def _size(count: int) -> str:
    if count < 1024 * 1024:
        return f"{count} bytes"
    return f"{count / 1024 / 1024:.1f} MiB"
