"""The mongod that ``make run`` starts: its URL, and its replica set of one member.

Only as a replica set does mongod acknowledge writes that survive a kill. It answers only who knows
its key file, which a replica set's members have in common: with it MongoDB's own user ``__system``
logs in. So no user has to be created, and data of versions without a key open as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, OperationFailure
from pymongo.uri_parser import parse_uri

from models.errors import BadSettings

REPLICA_SET = "darkroom"
HOST = "127.0.0.1"
PORT_FILE, KEY_FILE = "port", "key"
_SERVER_SELECTION_MS = 1000  # of one attempt; more follow
_NOT_INITIATED_CODE = 94  # MongoDB's error code NotYetInitialized


def embedded_mongo_url(data_dir: Path) -> str:
    """Return the URL, with the key, of the mongod that runs in ``data_dir``; "" if none ever did.

    That mongod runs only while Darkroom runs.

    Raises:
        BadSettings: another user runs Darkroom, and only that one may read the key.
    """
    try:
        return _embedded_mongo_url(data_dir / "mongo")
    except PermissionError as error:
        raise BadSettings(
            f"{error.filename} cannot be read: only the user who runs Darkroom may; run this "
            "command as that user, or set MONGO_URL"
        ) from None


def _embedded_mongo_url(folder: Path) -> str:
    if not (folder / PORT_FILE).exists():
        return ""
    address = f"{HOST}:{(folder / PORT_FILE).read_text().strip()}/?replicaSet={REPLICA_SET}"
    if not (folder / KEY_FILE).exists():  # an older version started it
        return f"mongodb://{address}"
    key = (folder / KEY_FILE).read_text().strip()
    return f"mongodb://__system:{key}@{address}&authSource=local"


async def ensure_primary(url: str, seconds: float) -> None:
    """Initiate the replica set of ``url`` if it is new, and wait until it accepts writes.

    If the data folder was last used on another port, the configuration gets the new address. Users
    are deleted: Darkroom creates none, and without a key anyone on the machine could create them.

    Raises:
        TimeoutError: no primary within ``seconds``.
    """
    parsed = parse_uri(url)
    member = "{}:{}".format(*parsed["nodelist"][0])
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url,
        replicaSet=None,
        directConnection=True,
        serverSelectionTimeoutMS=_SERVER_SELECTION_MS,
    )
    async with client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    # A failure: it is starting up, or applying its new address.
                    with contextlib.suppress(ConnectionFailure, OperationFailure):
                        await _configure(client, member)
                        if (await client.admin.command("hello")).get("isWritablePrimary"):
                            if parsed["username"]:
                                await client.admin["system.users"].delete_many({})
                            return
                    await asyncio.sleep(0.02)
    raise TimeoutError(
        f"mongod at {member} did not become primary within {seconds:g} s; see its log"
    )


async def _configure(client: AsyncMongoClient[dict[str, Any]], address: str) -> None:
    member = {"_id": 0, "host": address}
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code != _NOT_INITIATED_CODE:
            raise
        new = {"_id": REPLICA_SET, "members": [member]}
        await client.admin.command("replSetInitiate", new)
        return
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        await client.admin.command("replSetReconfig", config, force=True)
