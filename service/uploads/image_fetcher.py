"""ImageFetcher: gets the picture of an image_url into the spool, with every limit of an upload.

Which addresses and ports may be called, and the resolver, are those of webhooks. Redirects are
followed, and each is judged as the first URL was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from urllib.parse import unquote
from weakref import WeakValueDictionary

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from models.errors import BadImageUrl, TooLarge, UnsupportedFormat
from models.images.inspect import INPUT_MEDIA_TYPES
from models.outbound.resolver import AddressRefused
from models.outbound.session import (
    FAILURES,
    failure,
    open_session,
    read_certificates,
    type_names,
)
from models.outbound.url import AddressPolicy, parse_image_url
from models.settings import Settings
from service.http.paced_reading import READ_BUFFER_BYTES, PacedResponse, Turns
from service.http.request_body import Pace, check_limit
from service.uploads.disposition import read_disposition
from service.uploads.incoming_file import IncomingFile

log = structlog.get_logger()

_MAX_REDIRECTS = 5  # a short link, its https, its host with www, and a storage: curl allows 50
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_FETCHES = 16  # at once in one service, half of them for one client: each holds a connection
_HEADERS = {
    "User-Agent": "Darkroom",
    "Accept-Encoding": "identity",
}
_FAULTS = {
    "dns": "its host name has no address",
    "tls": "its server has no valid certificate (TLS)",
    "connection": "the connection to its server failed",
}
"""By ``models.outbound.session.failure``: no more, since more may tell about our network."""


class ImageFetcher:
    """Fetches pictures; one for each service."""

    def __init__(self, settings: Settings) -> None:
        self.enabled = settings.fetch_urls_enabled
        self._uploads = settings.uploads
        types = (INPUT_MEDIA_TYPES[kind] for kind in settings.uploads.accepted_formats)
        self._headers = {**_HEADERS, "Accept": ", ".join(types)}  # some servers choose by it
        self._calls = settings.webhook
        self._policy = AddressPolicy(settings.webhook)
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._all = asyncio.Semaphore(_MAX_FETCHES)
        self._of_client: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self, text: str, client: str, file: IncomingFile, count: Callable[[int], None]
    ) -> None:
        """Write the picture at the URL ``text`` to ``file``, and close it.

        ``count`` takes the bytes that came, before they are written. What is wrong with the URL or
        the picture becomes the file's ``error``, and so does TooLarge of ``count``; all else that
        ``count`` or the disk raises is raised.
        """
        own = self._of_client.setdefault(client, asyncio.Semaphore(_MAX_FETCHES // 2))
        async with own, self._all:
            try:
                url = parse_image_url(text, self._policy)
                async with aclosing(self._pieces(url, file)) as pieces:
                    async for data in pieces:
                        count(len(data))
                        file.write(data)
                        if file.error is not None:
                            break
            except (BadImageUrl, TooLarge) as error:
                file.error = error
                return
        file.close()
        if isinstance(file.error, UnsupportedFormat):  # often the page around the picture
            file.error.detail = f"at this image_url {file.error.detail}"

    async def _pieces(self, url: URL, file: IncomingFile) -> AsyncGenerator[bytes, None]:
        """Yield the body at ``url``, and name ``file`` as its server does.

        Raises:
            BadImageUrl, TooLarge: why it is not fetched, or not to its end.
        """
        limits, pace = self._uploads, Pace(self._uploads)
        until = asyncio.get_running_loop().time() + limits.upload_timeout
        try:
            async with asyncio.timeout_at(until), self._follow(url) as response:
                _check_head(response, limits.max_upload_bytes)
                if name := _name_of(response):
                    file.rename(name)
                while data := await pace.read(response.content, until):
                    yield data
        except AddressRefused:
            raise _bad(
                "its host has an address that is not public (see WEBHOOK_ALLOWED_NETWORKS)",
                setting="WEBHOOK_ALLOWED_NETWORKS",
            ) from None
        except FAILURES as error:
            log.info("image_not_fetched", host=url.raw_host, reason=type_names(error))
            fault = _FAULTS.get(failure(error)) or (
                f"its server took too long: at most {self._calls.webhook_timeout:g} s to answer "
                f"(WEBHOOK_TIMEOUT), then {limits.upload_min_rate} bytes a second or more "
                f"(UPLOAD_MIN_RATE), at most {limits.upload_stall_timeout:g} s late "
                f"(UPLOAD_STALL_TIMEOUT), and {limits.upload_timeout:g} s in all (UPLOAD_TIMEOUT)"
            )
            raise _bad(fault) from None

    @asynccontextmanager
    async def _follow(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the response that is no redirect.

        Raises:
            BadImageUrl: there are too many redirects, or one leads where no URL may.
        """
        session = await self._open()
        for _ in range(_MAX_REDIRECTS + 1):
            async with asyncio.timeout(self._calls.webhook_timeout):
                response = await session.get(url, headers=self._headers, allow_redirects=False)
            async with response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
            url = self._judge(url, location)
        raise _bad(
            f"it redirects more than {_MAX_REDIRECTS} times",
            limit=_MAX_REDIRECTS,
            measured=_MAX_REDIRECTS + 1,
        )

    def _judge(self, url: URL, location: str) -> URL:
        """Return where a redirect leads.

        Raises:
            BadImageUrl: it must not be fetched.
        """
        try:
            there = url.join(URL(location)).with_fragment(None)
        except ValueError:
            raise _bad("it redirects to what is not a URL") from None
        try:
            return parse_image_url(str(there), self._policy)
        except BadImageUrl as error:
            error.detail = f"{error.detail} (a redirect of {url.raw_host!a})"
            raise

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                context = await read_certificates(self._calls)
                # Requests of others must not wait for a server that sends what is costly to parse.
                paced = partial(PacedResponse, Turns())
                self._session = open_session(
                    self._calls, self._policy, context, READ_BUFFER_BYTES, paced
                )
            return self._session


IMAGE_FETCHER = web.AppKey("image_fetcher", ImageFetcher)


def name_in(text: str) -> str:
    """Return the last part of the path of a URL, "" if it has none; ``text`` may be malformed."""
    return unquote(text.partition("?")[0].partition("#")[0].rpartition("/")[2])


def _check_head(response: aiohttp.ClientResponse, limit: int) -> None:
    """Return if the head of a response promises a body that can be read.

    Raises:
        BadImageUrl: it does not. TooLarge: it promises more than ``limit`` bytes.
    """
    if response.status != 200:
        raise _bad(f"its server answered {response.status}", measured=response.status)
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise _bad("its server sent it compressed, which was not asked for")
    what = "bytes or more in the picture"
    check_limit(response.content_length or 0, limit, what, "MAX_UPLOAD_BYTES", TooLarge)


def _name_of(response: aiohttp.ClientResponse) -> str | None:
    given = response.headers.get("Content-Disposition", "")[:1000]
    return read_disposition(given.encode("utf-8", "surrogateescape").decode("latin-1"))[1]


def _bad(why: str, **facts: object) -> BadImageUrl:
    return BadImageUrl(f"this image_url is not fetched: {why}", parameter="image_url", **facts)
