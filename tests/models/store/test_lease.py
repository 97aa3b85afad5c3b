"""The lease that tasks, outbox items and periodic locks share, and documents of older versions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.outbox import email as drafts
from models.store import Store
from models.store.mongo.lease import Lease
from models.store.mongo.repository import insert_new, insert_timed

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def collection(store: Store) -> Any:
    return store._database["leased"]


@pytest.fixture
def lease(collection: Any) -> Lease:
    return Lease(collection, holder="lease.token", until="lease.until")


async def test_a_poll_of_nothing_updates_nothing(collection: Any, lease: Lease) -> None:
    assert not await lease.is_any_free({"_id": "a"})
    await collection.insert_one({"_id": "a"})
    assert await lease.is_any_free({"_id": "a"})
    await lease.claim({"_id": "a"}, "t", 60)
    assert not await lease.is_any_free({"_id": "a"})


async def test_an_outbox_with_nothing_due_is_only_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim(*_: Any, **__: Any) -> Any:
        raise AssertionError("an update")

    monkeypatch.setattr(store.emails._lease, "claim", claim)
    assert await store.emails.claim("t", 60) is None


@pytest.mark.parametrize(
    "free", [{}, {"lease": None}, {"lease": {"token": "dead", "until": LONG_AGO}}]
)
async def test_one_of_many_claims_a_free_document(
    free: dict[str, Any], collection: Any, lease: Lease
) -> None:
    await collection.insert_one({"_id": "a", **free})
    claims = await asyncio.gather(*(lease.claim({"_id": "a"}, f"t{n}", 60) for n in range(20)))
    (claimed,) = [document for document in claims if document]
    assert claimed["lease"]["token"] in {f"t{n}" for n in range(20)}
    assert claimed["lease"]["until"] > datetime.now(UTC)


async def test_only_the_last_holder_makes_changes(collection: Any, lease: Lease) -> None:
    await collection.insert_one({"_id": "a"})
    assert await lease.claim({"_id": "a"}, "old", 60, {"count": 1})
    assert await lease.update_if_held("a", "old", lease.until(-1))
    assert await lease.update_if_held("a", "old", {"count": 2})  # no other has claimed it yet
    assert await lease.claim({"_id": "a"}, "new", 60, {"count": {"$add": ["$count", 1]}})
    assert not await lease.update_if_held("a", "old", {"count": 0})
    assert await lease.update_if_held("a", "new", {"lease": None})
    assert not await lease.update_if_held("a", "new", {"count": 0})
    assert await collection.find_one() == {"_id": "a", "count": 3, "lease": None}


async def test_claim_follows_query_and_order(collection: Any, lease: Lease) -> None:
    await collection.insert_many([{"_id": n, "size": n % 2, "age": -n} for n in range(4)])
    oldest = [("age", 1)]
    found = [await lease.claim({"size": 1}, "t", 60, sort=oldest) for _ in range(3)]
    assert [document and document["_id"] for document in found] == [3, 1, None]


async def test_periodic_lock_of_an_older_version(store: Store) -> None:
    """It also had ``until``, the end of the lease; ``due_at`` was only the next time."""
    state = store._database["state"]
    times = {"until": LONG_AGO, "due_at": datetime.now(UTC) + timedelta(seconds=60)}
    await state.insert_one({"_id": "job", "holder": "before", **times})
    assert not await store.periodic_lock.acquire("job", "w", 60)
    await state.update_one({"_id": "job"}, {"$set": {"due_at": LONG_AGO}})
    assert await store.periodic_lock.acquire("job", "w", 60)
    assert not await store.periodic_lock.acquire("job", "x", 60)


async def test_email_claimed_by_an_older_version(store: Store) -> None:
    """Its lease also had ``until``, always the same as ``due_at``."""
    await store.emails.put(drafts.confirmation_draft("s1", "ann@example.org"))
    held = {"token": "before", "until": LONG_AGO, "begun": True}
    await store._database["mail"].update_one({}, {"$set": {"lease": held, "due_at": LONG_AGO}})
    email = await store.emails.claim("t", 60)
    assert email is not None and (email.token, email.faults) == ("t", 1)
    assert await store.emails.postpone(email, 0)
    assert await store.emails.claim("u", 60) is not None


async def test_inserts_keep_what_exists(collection: Any) -> None:
    await collection.create_index("key", unique=True)
    times = {"created_at": "$$NOW"}
    document = {"_id": "a", "key": "$key", "value": 1}
    outcomes = await asyncio.gather(*(insert_timed(collection, document, times) for _ in range(10)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert not await insert_timed(collection, {**document, "value": 2}, times)
    assert not await insert_timed(collection, {**document, "_id": "b"}, times)
    more: list[Any] = [{"_id": "c", "key": 1}, {"_id": "a", "key": 2}, {"_id": "d", "key": "$key"}]
    assert await insert_new(collection, more) == {1, 2}
    assert await insert_new(collection, [{"_id": "e", "key": 3}]) == set()
    found = {entry["_id"]: entry async for entry in collection.find()}
    assert set(found) == {"a", "c", "e"}
    assert found["a"]["value"] == 1
    assert abs(found["a"]["created_at"] - datetime.now(UTC)) < timedelta(minutes=1)
