"""Initiate a one-node replica set.

Only as a replica set does mongod acknowledge writes that survive a kill.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

REPLICA_SET = "darkroom"
_SERVER_SELECTION_MS = 1000  # of one attempt; more follow
_NOT_INITIATED_CODE = 94  # MongoDB's error code NotYetInitialized


def replica_set_url(host: str, port: int) -> str:
    """Return the URL of a mongod that is a one-node replica set."""
    return f"mongodb://{host}:{port}/?replicaSet={REPLICA_SET}"


async def ensure_primary(host: str, port: int, seconds: float) -> None:
    """Initiate the replica set at ``host:port`` if it is new, and wait until it accepts writes.

    If the data folder was last used on another port, the configuration gets the new address.

    Raises:
        TimeoutError: no primary within ``seconds``.
    """
    member = f"{host}:{port}"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        host, port, directConnection=True, serverSelectionTimeoutMS=_SERVER_SELECTION_MS
    )
    async with client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    # A failure: it is starting up, or applying its new address.
                    with contextlib.suppress(ConnectionFailure, OperationFailure):
                        await _configure(client, member)
                        if (await client.admin.command("hello")).get("isWritablePrimary"):
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
