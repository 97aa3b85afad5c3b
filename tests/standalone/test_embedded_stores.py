"""Other users of the machine reach the ports of the embedded stores, and nothing behind them."""

from __future__ import annotations

import os
import stat
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import Redis
from redis.exceptions import AuthenticationError

from models.errors import BadSettings
from models.replica_set import HOST, embedded_mongo_url, ensure_primary
from standalone import embedded_stores
from tests.conftest import running
from tests.support.standalone_process import StandaloneProcess

pytestmark = pytest.mark.integration

COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("darkroom", {"find": "state"}),  # the secret that signs sessions and links
    ("darkroom", {"insert": "api_keys", "documents": [{"_id": "forged", "scopes": ["admin"]}]}),
    ("darkroom", {"dropDatabase": 1}),
    ("local", {"find": "oplog.rs"}),
    ("admin", {"createUser": "mallory", "pwd": "x", "roles": ["root"]}),
    ("admin", {"listDatabases": 1}),
    ("admin", {"replSetGetConfig": 1}),
    ("admin", {"shutdown": 1}),
]
CREDENTIALS: list[dict[str, Any]] = [
    {},
    {"username": "__system", "password": "0" * 64, "authSource": "local"},
    {"username": "root", "password": "x"},
]


@pytest.mark.parametrize("credentials", CREDENTIALS, ids=["nothing", "wrong-key", "wrong-user"])
def test_mongod_does_nothing_for_a_client_without_the_key(
    credentials: dict[str, Any], mongo: embedded_stores.EmbeddedStore
) -> None:
    for database, command in COMMANDS:
        with (
            MongoClient[dict[str, Any]](
                HOST, mongo.port, directConnection=True, **credentials
            ) as c,
            pytest.raises(OperationFailure) as caught,
        ):
            c[database].command(command)
        assert caught.value.code in {13, 18}, command  # Unauthorized, AuthenticationFailed


def test_redis_does_nothing_for_a_client_without_the_password(
    redis: embedded_stores.EmbeddedStore,
) -> None:
    for password in (None, "0" * 64):
        with (
            Redis(HOST, redis.port, password=password) as client,
            pytest.raises(AuthenticationError),
        ):
            client.keys()


def test_secrets_are_in_files_of_their_user_and_new_in_each_run(tmp_path: Path) -> None:
    known = tmp_path / "mongo" / "key"
    known.parent.mkdir(mode=0o755)
    known.write_text("written by someone else")
    known.chmod(0o644)
    seen = set()
    for open_store, name in 2 * [
        (embedded_stores.mongo, "mongo/key"),
        (embedded_stores.redis, "redis/redis.conf"),
    ]:
        store, file = open_store(tmp_path), tmp_path / name
        secret = file.read_text().split()[-1]
        assert len(secret) == 64 and secret in store.url and secret not in seen
        seen.add(secret)
        assert secret not in " ".join(store.process.command)  # which all can read
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        if os.geteuid() == 0:
            reading = subprocess.run(
                ["cat", str(file)], user=65534, group=65534, capture_output=True, check=False
            )
            assert reading.returncode != 0 and not reading.stdout
        if store.process.output:
            store.process.output.close()


def test_data_of_a_version_without_a_key_are_served_with_one(tmp_path: Path) -> None:
    old = embedded_stores.mongo(tmp_path)
    (tmp_path / "mongo" / "key").unlink()
    command = list(old.process.command)
    first = command.index("--keyFile")
    del command[first : first + 4]
    url = embedded_mongo_url(tmp_path)
    assert "@" not in url  # as the commands of a new version find a running old mongod
    old.process.command = command
    old.process.ready = partial(ensure_primary, url, 30)
    with running(old), MongoClient[dict[str, Any]](url) as client:
        client["darkroom"]["state"].insert_one({"_id": "kept"})
        client.admin.command("createUser", "mallory", pwd="x", roles=["root"])
    for _ in range(2):  # the key changes, too
        with (
            running(embedded_stores.mongo(tmp_path)) as new,
            MongoClient[dict[str, Any]](new.url) as client,
        ):
            assert client["darkroom"]["state"].find_one() == {"_id": "kept"}
            assert client.admin.command("usersInfo")["users"] == []  # any local user could add one


def test_key_of_another_user_is_refused_with_what_would_pass(tmp_path: Path) -> None:
    folder = tmp_path / "mongo"
    folder.mkdir(mode=0o700)
    (folder / "port").write_text("1")
    euid = os.geteuid()
    try:
        if euid == 0:
            os.seteuid(65534)
        else:
            folder.chmod(0)
        with pytest.raises(BadSettings, match="run this command as that user, or set MONGO_URL"):
            embedded_mongo_url(tmp_path)
    finally:
        if euid == 0:
            os.seteuid(0)
        folder.chmod(0o700)


def test_root_is_warned(darkroom: StandaloneProcess) -> None:
    warned = "runs as root" in darkroom.log.read_text()
    assert warned == (os.geteuid() == 0)
