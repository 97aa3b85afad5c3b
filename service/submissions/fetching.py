"""The pictures that a submission names by image_url: counted, fetched a few at a time."""

from __future__ import annotations

import asyncio

from aiohttp import web

from models.errors import BadImageUrl, TooLarge
from service.app_keys import SETTINGS
from service.auth.identity import client_id
from service.auth.rate_limit import count_call
from service.http.request_body import check_limit, form_limit
from service.uploads.disk_space import DISK_SPACE
from service.uploads.form import IMAGE_URL, Form
from service.uploads.image_fetcher import IMAGE_FETCHER, name_in
from service.uploads.incoming_file import IncomingFile
from service.uploads.spool import Spool

_WATCH_SECONDS = 1.0  # between two looks whether the client is still there
_LANES = 4  # pictures of one submission that are fetched at once, each to a spool of its own


async def fetch_pictures(request: web.Request, form: Form, spool: Spool) -> list[IncomingFile]:
    """Return the pictures at the URLs of ``form``, in their order; ``spool`` closes their files.

    Each is accepted or rejected on its own. Together with the files of the form they have at most
    MAX_BATCH_BYTES.

    Raises:
        BadImageUrl: FETCH_URLS is off. RateLimited: the client named too many within the hour.
        InsufficientResources: see ``Spool.reserve``; or the disk is full.
        ConnectionResetError: the client is gone.
    """
    fetcher, disk = request.app[IMAGE_FETCHER], request.app[DISK_SPACE]
    if not fetcher.enabled:
        raise BadImageUrl(
            "this service fetches no pictures (FETCH_URLS); send the picture itself as image",
            parameter=IMAGE_URL,
            setting="FETCH_URLS",
        )
    for _ in form.urls:
        await count_call(request, "WEBHOOKS_PER_CLIENT", apart="fetch")
    settings, client = request.app[SETTINGS].uploads, client_id(request)
    limit, setting, _ = form_limit(len(form.files) + len(form.urls), settings)
    total = sum(file.size for file in form.files)
    fetched: dict[int, IncomingFile] = {}
    waiting = iter(enumerate(form.urls))

    async def fetch_some(own: Spool) -> None:
        def count(size: int) -> None:
            nonlocal total
            total += size
            check_limit(total, limit, "bytes or more of pictures came", setting, TooLarge)
            own.reserve(size)

        for number, url in waiting:
            await disk.free_space.check()
            name = name_in(url) or "image"
            accepted = settings.accepted_formats
            file = IncomingFile("image", name, own.new_file(), accepted, settings)
            fetched[number] = file
            await fetcher.fetch(url, client, file, count)

    try:
        async with asyncio.TaskGroup() as lanes:
            spools = [spool.enter_context(disk.spool(client)) for _ in form.urls[:_LANES]]
            fetching = [lanes.create_task(fetch_some(own)) for own in spools]
            watching = lanes.create_task(_watch(request))
            await asyncio.wait(fetching)
            watching.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [fetched[number] for number in sorted(fetched)]


async def _watch(request: web.Request) -> None:
    """Raise ConnectionResetError once the client has disconnected."""
    while request.transport is not None:
        await asyncio.sleep(_WATCH_SECONDS)
    raise ConnectionResetError("the client is gone")
