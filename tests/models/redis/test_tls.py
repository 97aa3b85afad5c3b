"""Redis over TLS, by the URL of docs/deployment.md.

The embedded Redis has no TLS: a server of the test's own takes it off before.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from yarl import URL

from models.errors import StoreUnavailable
from models.redis.queue import Queue
from models.settings import Settings
from service.app import create_app
from tests.conftest import working
from tests.support import images


@contextlib.asynccontextmanager
async def ending_tls(certificate: trustme.LeafCert, url: URL) -> AsyncIterator[int]:
    """Listen with TLS in front of the Redis at ``url``; give the port.

    At the end each connection must have been closed by its client.
    """
    connections: set[asyncio.Task[None] | None] = set()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        to_reader, to_writer = await asyncio.open_connection(url.host, url.port)
        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(asyncio.gather(*filter(None, connections)), 30)


async def test_a_task_goes_through_redis_by_tls(
    settings: Settings, store: Any, aiohttp_client: Any, tmp_path: Path
) -> None:
    authority, ca, other = trustme.CA(), tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(ca))
    trustme.CA().cert_pem.write_to_path(str(other))
    plain = URL(settings.stores.redis_url)
    async with ending_tls(authority.issue_cert("localhost"), plain) as port:
        url = plain.with_scheme("rediss").with_host("localhost").with_port(port)
        trusting = settings.replace(redis_url=str(url.with_query(ssl_ca_certs=str(ca))))
        client = await aiohttp_client(create_app(trusting))
        async with working(trusting):
            form = images.form(images.png(), "cat.png")
            task = await (await client.post("/upscale?wait=60", data=form)).json()
        await client.close()
        assert task["status"] == "SUCCESS"
        for wrong in (url.with_query(ssl_ca_certs=str(other)), url.with_scheme("redis")):
            refused = Queue.open(settings.replace(redis_url=str(wrong), store_timeout=1).stores)
            with pytest.raises(StoreUnavailable):
                await refused.ping()
            await refused.close()
