"""Ages go by MongoDB's clock, however wrong that of this machine is."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta

import pytest

from models.auth.tokens import KEY_SESSION_SECONDS, SKEW_SECONDS, Purpose, Tokens
from models.errors import BadParameter
from models.settings import Settings
from models.store import Store
from models.store.mongo.clock import ServerClock

_NEAR = timedelta(minutes=5)  # far less than the skews of these tests
_HOUR = 3600.0


async def _server_time(store: Store) -> datetime:
    return await store.health._server_now()


@pytest.mark.parametrize("skew", [-2 * _HOUR, 2 * _HOUR])
async def test_ids_and_names_have_the_time_of_mongodb(
    store: Store, skew: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("bson.objectid.time.time", lambda: real() + skew)
    file_id = await store.originals.put(io.BytesIO(b"bytes"), "cat.png", {"key": "k"})
    await store.result_names.reserve([["cat-2.png"]], "t")
    now = await _server_time(store)
    assert abs(file_id.generation_time - now) < _NEAR
    name = await store.result_names._collection.find_one({})
    assert name is not None and abs(name["at"] - now) < _NEAR


async def test_an_entry_has_the_time_of_mongodb(store: Store) -> None:
    moment = datetime.now(UTC) + timedelta(hours=3)
    store.clock.set(moment)
    file_id = await store.originals.find_or_store(io.BytesIO(b"bytes"), "cat.png", "0" * 64)
    entry = await store.originals._files.find_one({"_id": file_id})
    assert entry is not None
    for at in (file_id.generation_time, entry["uploadDate"], entry["metadata"]["used_at"]):
        assert abs(at - moment) < _NEAR


async def test_an_upload_of_a_service_whose_clock_is_behind_is_no_orphan(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chunks are there, its entry is not yet: only their age tells them from a dead one's."""
    real = time.time
    monkeypatch.setattr("bson.objectid.time.time", lambda: real() - 2 * _HOUR)
    await store.originals.put(io.BytesIO(b"bytes"), "cat.png", {"key": "k"})
    chunk = await store.originals._chunks.find_one({})
    assert chunk is not None
    assert abs(await _server_time(store) - chunk["_id"].generation_time) > _NEAR  # the driver's
    await store.originals._files.delete_many({})
    assert await store.orphans.collect() == 0
    assert await store.originals._chunks.count_documents({}) == 1


def test_ticks_count_on_whatever_happens_to_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = 1000.0
    monkeypatch.setattr(time, "clock_gettime", lambda _: ticks)
    clock, moment = ServerClock(), datetime(2026, 1, 1, tzinfo=UTC)
    assert not clock.known and not clock.fresh
    clock.set(moment)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    ticks += 59
    assert clock.fresh and clock.now() == moment + timedelta(seconds=59)
    ticks += 1
    assert clock.known and not clock.fresh


async def test_a_key_expires_by_the_clock_of_mongodb(store: Store) -> None:
    key, _ = await store.api_keys.create("ann", [], 100)
    assert key.active
    store.clock.set(await _server_time(store) + timedelta(seconds=101))
    found = await store.api_keys.get(key.id)
    assert found is not None and not found.active


def test_tokens_of_a_program_that_is_ahead_are_valid() -> None:
    here = 1_800_000_000.0
    ahead = Tokens("secret", lambda: here + 30)
    behind = Tokens("secret", lambda: here)
    session = ahead.make_key_session("k", 3)
    assert behind.read_key_session(session) == ("k", 3)
    ends = here + 30 + KEY_SESSION_SECONDS + SKEW_SECONDS
    assert Tokens("secret", lambda: ends).read_key_session(session) == ("k", 3)
    assert Tokens("secret", lambda: ends + 1).read_key_session(session) is None
    unsubscribe = behind.make_subscriber_token(Purpose.UNSUBSCRIBE, "s")
    late = Tokens("secret", lambda: here + 61 * 24 * _HOUR)
    with pytest.raises(BadParameter, match="expired after 60 days"):
        late.read_subscriber_token(Purpose.UNSUBSCRIBE, unsubscribe)
