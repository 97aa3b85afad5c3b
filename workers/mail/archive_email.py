"""The e-mail with the results of a group: as an attached zip file, or as a link if too large."""

from __future__ import annotations

import re

from models.auth.signed_links import SignedLink
from models.outbox.email import Email
from models.tasks.group import Group, group_progress
from models.tasks.zip_archive import GroupArchive
from workers.mail.message import Attachment, EmailContent, MailContext, render
from workers.outbox import NotReady, PermanentFailure

_MAX_LISTED_FAILURES = 100  # in the e-mail; the archive's errors.txt has all
_MAX_POLL_SECONDS = 60.0  # between two looks at a group that has not ended
_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]")


async def archive_content(context: MailContext, email: Email) -> EmailContent:
    """Return the e-mail for a group that has ended.

    Raises:
        NotReady: the group has not ended.
        PermanentFailure: the group no longer exists.
        StoreUnavailable: the group cannot be read now.
    """
    group_id = email.context["group_id"]
    found = await context.store.groups.find(group_id)
    if found is None:
        raise PermanentFailure("the group no longer exists")
    group, tasks = found
    if not group_progress(group, tasks).ended:
        # Poll less often the longer the group takes.
        age = (await context.store.health.now() - email.created_at).total_seconds()
        pause = max(context.settings.worker.sweep_interval_seconds, age / 10)
        raise NotReady(min(pause, _MAX_POLL_SECONDS))
    archive = GroupArchive(
        group, tasks, lambda r: context.store.results.read(r.file_id, 0, r.bytes)
    )
    limit = context.settings.mail.max_attachment_bytes
    results = len(archive.entries)
    status = f"{context.settings.http.base_url}/status/{group_id}"
    attachment = None
    if results and archive.length <= limit:
        name = f"darkroom-{_UNSAFE_CHARACTERS.sub('', group_id)[:40]}.zip"
        attachment = Attachment(name, lambda: _read_all(archive))
    text, html = render(
        "archive",
        url=context.settings.http.base_url,
        results=results,
        total=len(group.members),
        failed=archive.failures,
        shown=_MAX_LISTED_FAILURES,
        link="" if attachment or not results else await _archive_link(context, group),
        size=_size_text(archive.length),
        limit=_size_text(limit),
        status=status,
    )
    subject = "Your pictures are ready" if results else "Your pictures could not be processed"
    return EmailContent(subject, text, html, attachment=attachment)


async def _archive_link(context: MailContext, group: Group) -> str:
    """Return the URL of the archive; signed if it has an owner: a reader may lack the API key.

    The service refuses the link once the key is void.
    """
    path = f"/status/{group.id}/archive"
    base_url = context.settings.http.base_url
    if not group.owner:
        return f"{base_url}{path}"
    key = await context.store.api_keys.get(group.owner)
    until = int(context.tokens.clock()) + context.settings.auth.link_ttl_max
    link = SignedLink(path, group.owner, until)
    return f"{base_url}{link.signed_url(context.tokens, key.generation if key else 0)}"


async def _read_all(archive: GroupArchive) -> bytes:
    return b"".join([piece async for piece in archive.stream()])


def _size_text(count: int) -> str:
    if count < 1024 * 1024:
        return f"{count} bytes"
    return f"{count / 1024 / 1024:.1f} MiB"
