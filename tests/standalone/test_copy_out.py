"""``darkroom copy``: what embedded stores hold is served from a MongoDB of one's own."""

from __future__ import annotations

import asyncio
import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.errors import BadSettings
from models.settings import Settings
from models.store import Store
from service.app import create_app
from standalone import command, embedded_stores
from standalone.copy_out import copy_out
from standalone.process import CannotStart
from standalone.supervisor import lock_data
from tests.conftest import Client, running
from tests.support import images
from tests.support.command import run_main
from tests.support.task_factory import findings, finish


@pytest.fixture
def there(settings: Settings) -> Settings:
    """The new place: another database of the tests' MongoDB."""
    return settings.replace(mongo_db=f"{settings.stores.mongo_db}_copy")


async def fill(settings: Settings, aiohttp_client: Any, data: bytes) -> str:
    """Make a result in the embedded stores, and return a signed link to it."""
    client: Client = await aiohttp_client(create_app(settings))
    store = await Store.open(settings)
    response = await client.post("/upscale", data=images.form(data, "cat.png"))
    task = await response.json()
    await finish(store, task["task_id"], data)
    link = await (await client.post("/processed/cat-upscale-x2.png/link")).json()
    await client.close()
    store.close()
    return str(link["url"])


async def test_results_and_links_go_along(
    settings: Settings, there: Settings, aiohttp_client: Any, tmp_path: Path
) -> None:
    here = settings.replace(data_dir=tmp_path / "data")
    data = images.png(80, 60, seed=5)
    with running(embedded_stores.mongo(here.stores.data_dir)) as embedded:
        link = await fill(here.replace(mongo_url=embedded.url), aiohttp_client, data)
    name = there.stores.mongo_db
    with lock_data(here.stores.data_dir), pytest.raises(CannotStart, match="another Darkroom"):
        await copy_out(here, there.stores.mongo_url, name)
    counts = await copy_out(here, there.stores.mongo_url, name)
    assert (counts["tasks"], counts["results.files"], counts["originals.files"]) == (1, 1, 1)
    store = await Store.open(there)
    try:
        assert await findings(store) == []
        client: Client = await aiohttp_client(create_app(there))
        response = await client.get(link)
        assert (response.status, await response.read()) == (200, data)
        again = partial(command.main, ["copy", "--to", there.stores.mongo_url, "--db", name])
        done = await asyncio.to_thread(run_main, again, DATA_DIR=str(here.stores.data_dir))
        assert done.returncode == 2
        assert f"the database {name} there is not empty" in done.stderr
    finally:
        await store.drop()
        store.close()


async def test_an_interrupted_copy_goes_on(store: Store, there: Settings) -> None:
    for number in range(3):
        await store.results.put(io.BytesIO(bytes(10)), f"{number}", {"key": str(number)})
    target = Store(there)
    state = target._database["state"]
    try:
        await state.insert_one({"_id": "copying"})  # what an interrupted one leaves
        chunks = await store._database["results.chunks"].find().to_list(1)
        await target._database["results.chunks"].insert_many(chunks)
        counts = await store.copy_to(target)
        assert counts["results.chunks"] == 3
        assert await target._database["results.chunks"].count_documents({}) == 3
        assert await state.find_one({"_id": "copying"}) is None
        with pytest.raises(BadSettings, match="is not empty"):
            await store.copy_to(target)
    finally:
        await target.drop()
        target.close()


def test_a_folder_without_stores_is_refused(tmp_path: Path) -> None:
    copy = partial(command.main, ["copy", "--to", "mongodb://127.0.0.1:1"])
    done = run_main(copy, DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert f"no embedded stores have run in {tmp_path}" in done.stderr
