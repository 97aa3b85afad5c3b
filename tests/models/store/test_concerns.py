"""What a read or write of the store waits for, whatever MONGO_URL says."""

from __future__ import annotations

import pytest
from pymongo import ReadPreference, WriteConcern
from pymongo.read_concern import ReadConcern

from models.settings import Settings
from models.store import Store
from models.store.mongo import repository


async def test_reads_and_writes_rest_on_a_majority() -> None:
    url = "mongodb://127.0.0.1:1/?replicaSet=a&readPreference=secondary&readConcernLevel=local&w=1"
    store = Store(Settings().replace(mongo_url=url))  # it connects when it is first asked
    for each in (store.tasks._tasks, store.groups._collection, store.results._chunks):
        assert each.read_concern == ReadConcern("majority")
        assert each.read_preference == ReadPreference.PRIMARY
        assert each.write_concern == WriteConcern(w="majority", j=True, wtimeout=5000)
    store.close()


@pytest.mark.parametrize("several", [False, True])
async def test_only_a_set_of_several_servers_is_asked_twice(
    store: Store, several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "_has_several_servers", lambda _: several)
    assert await store.tasks.get("0" * 32) is None
    assert await store.tasks.get_many(["0" * 32]) == {}
    barrier = await store._database["state"].find_one({"_id": "barrier"})
    assert (barrier or {}).get("count", 0) == (2 if several else 0)


async def test_servers_are_counted(store: Store) -> None:
    assert not repository._has_several_servers(store._database)
    url = "mongodb://127.0.0.1:1,127.0.0.1:2/?replicaSet=a"
    several = Store(Settings().replace(mongo_url=url))
    assert repository._has_several_servers(several._database)
    several.close()


async def test_an_insert_that_finds_its_document_waits_for_a_majority(store: Store) -> None:
    """The other's write may still be rolled back; MongoDB counts the write that changes nothing."""
    await store._database.command("profile", 2)
    groups = store._database["groups"]
    times = {"created_at": "$$NOW"}
    made = [await repository.insert_timed(groups, {"_id": "g"}, times) for _ in range(2)]
    await store._database.command("profile", 0)
    assert [each is not None for each in made] == [True, False]
    profile = store._database["system.profile"].find({"op": "update", "ns": groups.full_name})
    last = [each async for each in profile.sort("ts", 1)][-1]
    assert (last["command"]["q"], last["nMatched"]) == ({"_id": None}, 0)
