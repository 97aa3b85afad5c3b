"""Makes a lone mongod a replica set of one: only then does it acknowledge what survives a kill."""

from __future__ import annotations

import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

REPLICA_SET = "darkroom"
_LOOK_MS = 1000  # milliseconds one look may wait for a server; more looks follow
_NOT_INITIATED = 94  # MongoDB's error code NotYetInitialized


def address(host: str, port: int) -> str:
    """Return the URL of a mongod that is a replica set of one."""
    return f"mongodb://{host}:{port}/?replicaSet={REPLICA_SET}"


def make_primary(host: str, port: int, seconds: float) -> None:
    """Initiate the replica set at ``host:port`` if it is new, and wait until it takes writes.

    A data folder started on another port than last time is told its new address.

    Raises:
        TimeoutError: no primary within ``seconds``.
    """
    member = f"{host}:{port}"
    deadline = time.monotonic() + seconds
    client: MongoClient[dict[str, Any]]
    with MongoClient(
        host, port, directConnection=True, serverSelectionTimeoutMS=_LOOK_MS
    ) as client:
        while time.monotonic() < deadline:
            try:
                _configure(client, member)
                if client.admin.command("hello").get("isWritablePrimary"):
                    return
            except (ConnectionFailure, OperationFailure):
                pass  # it is starting up, or changing its mind about its address
            time.sleep(0.02)
    raise TimeoutError(
        f"mongod at {member} did not become primary within {seconds:g} s; see its log"
    )


def _configure(client: MongoClient[dict[str, Any]], address: str) -> None:
    member = {"_id": 0, "host": address}
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_INITIATED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        return
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
