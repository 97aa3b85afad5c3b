"""Pipelines that begin alike compute what is costly once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.service.submissions.test_batch import TWO, form
from tests.support import images
from tests.support.png16 import scene
from workers.imaging import notes


async def ask(
    client: Any,
    *operations: str,
    pictures: Sequence[tuple[str, bytes]] = TWO[:1],
    **fields: str,
) -> Any:
    data = form(pictures, operations=list(operations), **fields)
    response = await client.post("/process?wait=30", data=data)
    body = await response.json()
    assert body["status"] == "SUCCESS", body
    return body


async def kept(store: Store, count: int) -> None:
    """Return when ``count`` beginnings are kept: that happens after a task's results are out."""
    while await store.intermediates.count() != count:
        await asyncio.sleep(0.01)


@pytest.fixture
def found() -> Any:
    """How many operations each prefix had that was found, in order."""
    counts: list[int] = []

    def note(_: Any, __: str, event: Any) -> Any:
        if event["event"] == "prefix_found":
            counts.append(event["operations"])
        return event

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[note, *before])
    yield counts
    structlog.configure(processors=before)


async def test_a_beginning_is_taken_up_from_a_pipeline(
    client: Any, settings: Settings, store: Store, found: list[int]
) -> None:
    async with working(settings):
        first = await ask(client, "upscale=2", "grayscale")
        assert found == []
        second = await ask(client, "upscale=2", "rotate=90")
        assert found == [1]
        longer = await ask(client, "upscale=2", "upscale=2", "grayscale")
        assert found == [1, 1]
        await ask(client, "upscale=2", "upscale=2", "rotate=90")
        assert found == [1, 1, 2]
    assert first["task_id"] != second["task_id"] != longer["task_id"]


async def test_what_was_published_without_loss_is_taken_up(
    client: Any, settings: Settings, found: list[int]
) -> None:
    async with working(settings):
        await client.post("/upscale?wait=30", data=form(TWO[:1]))
        await ask(client, "upscale=2", "grayscale")
        assert found == [1]


async def test_what_is_noted_of_sixteen_bits_comes_with_a_beginning(
    client: Any, settings: Settings, store: Store, found: list[int]
) -> None:
    deep = [("deep.png", images.by_hand(scene("gray+alpha")))]
    async with working(settings):
        first = await ask(client, "upscale=2", "rotate=90", pictures=deep)
        await kept(store, 1)
        second = await ask(client, "upscale=2", "rotate=180", pictures=deep)
        assert found == [1]
        whole = await ask(client, "resize=2", "rotate=90", pictures=deep)
    assert [r["notes"] for r in (*first["results"], *second["results"])] == [
        [notes.FOR_NETWORK]
    ] * 2
    assert whole["results"][0]["notes"] == []


async def test_results_are_the_same_bytes_with_and_without(
    client: Any, settings: Settings, aiohttp_client: Any
) -> None:
    plain = settings.model_copy(
        update={"intermediate_ttl": 0, "mongo_db": settings.mongo_db + "_plain"}
    )
    from service.app import create_app

    other = await aiohttp_client(create_app(plain))
    async with working(settings):
        await ask(client, "upscale=2", "rotate=90")
        with_prefix = await ask(client, "upscale=2", "split", "blur=5", format="jpeg")
    store = await Store.open(plain)
    try:
        async with working(plain):
            without = await ask(other, "upscale=2", "split", "blur=5", format="jpeg")
    finally:
        await store.drop()
        store.close()
    assert [r["sha256"] for r in with_prefix["results"]] == [
        r["sha256"] for r in without["results"]
    ]


async def test_only_what_is_costly_is_kept_and_not_after_a_split(
    client: Any, settings: Settings, store: Store
) -> None:
    async with working(settings):
        await ask(client, "grayscale", "rotate=90")
        await ask(client, "split", "upscale=2", "grayscale")
        assert await store.intermediates.count() == 0
        await ask(client, "rotate=90", "upscale=2", "grayscale")
        await kept(store, 1)


async def test_kept_no_longer_than_asked_for(
    client: Any, settings: Settings, store: Store, found: list[int]
) -> None:
    async with working(settings):
        await ask(client, "upscale=2", "grayscale")
        await kept(store, 1)
        assert await store.intermediates.delete_older(3600) == 0
        assert await store.intermediates.delete_older(-5) == 1
        await ask(client, "upscale=2", "rotate=90")
        assert found == []


async def test_zero_seconds_keep_nothing(
    aiohttp_client: Any, settings: Settings, store: Store
) -> None:
    from service.app import create_app

    off = settings.model_copy(update={"intermediate_ttl": 0})
    client = await aiohttp_client(create_app(off))
    async with working(off):
        await ask(client, "upscale=2", "grayscale")
    assert await store.intermediates.count() == 0
