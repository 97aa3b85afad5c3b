"""Pipelines with the same beginning compute its costly operations once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from models.images.inspect import ImageHeader
from models.memory_estimate import predict
from models.operations import parse
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.service.submissions.test_submission_request import TWO, form
from tests.support import images
from tests.support.png16 import scene
from tests.support.task_factory import stored
from workers.imaging import notes
from workers.queue.execute import _left


async def submit(
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


async def wait_until_stored(store: Store, count: int) -> None:
    """Wait until ``count`` intermediates are stored, which happens after a task's results."""
    while (await stored(store, "intermediates"))[0] != count:
        await asyncio.sleep(0.01)


@pytest.fixture
def reused() -> Any:
    """The number of operations of each reused prefix, in order."""
    counts: list[int] = []

    def record(_: Any, __: str, event: Any) -> Any:
        if event["event"] == "intermediate_reused":
            counts.append(event["operations"])
        return event

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[record, *before])
    yield counts
    structlog.configure(processors=before)


async def test_pipeline_reuses_a_stored_prefix(
    client: Any, settings: Settings, store: Store, reused: list[int]
) -> None:
    async with working(settings):
        first = await submit(client, "upscale=2", "grayscale")
        assert reused == []
        await wait_until_stored(store, 1)
        second = await submit(client, "upscale=2", "rotate=90")
        assert reused == [1]
        longer = await submit(client, "upscale=2", "upscale=2", "grayscale")
        assert reused == [1, 1]
        await wait_until_stored(store, 2)
        await submit(client, "upscale=2", "upscale=2", "rotate=90")
        assert reused == [1, 1, 2]
    assert first["task_id"] != second["task_id"] != longer["task_id"]


async def test_pipeline_reuses_a_published_png(
    client: Any, settings: Settings, reused: list[int]
) -> None:
    async with working(settings):
        await client.post("/upscale?wait=30", data=form(TWO[:1]))
        await submit(client, "upscale=2", "grayscale")
        assert reused == [1]


async def test_notes_are_stored_with_the_prefix(
    client: Any, settings: Settings, store: Store, reused: list[int]
) -> None:
    deep = [("deep.png", images.by_hand(scene("gray+alpha")))]
    async with working(settings):
        first = await submit(client, "upscale=2", "rotate=90", pictures=deep)
        await wait_until_stored(store, 1)
        second = await submit(client, "upscale=2", "rotate=180", pictures=deep)
        assert reused == [1]
        other = await submit(client, "resize=2", "rotate=90", pictures=deep)
    assert [r["notes"] for r in (*first["results"], *second["results"])] == [
        [notes.REDUCED_FOR_NETWORK]
    ] * 2
    assert other["results"][0]["notes"] == []


async def test_results_are_identical_with_and_without_prefix(
    client: Any, settings: Settings, aiohttp_client: Any
) -> None:
    plain = settings.replace(intermediate_ttl=0, mongo_db=settings.stores.mongo_db + "_plain")
    from service.app import create_app

    other = await aiohttp_client(create_app(plain))
    async with working(settings):
        await submit(client, "upscale=2", "rotate=90")
        with_prefix = await submit(client, "upscale=2", "split", "blur=5", format="jpeg")
    store = await Store.open(plain)
    try:
        async with working(plain):
            without = await submit(other, "upscale=2", "split", "blur=5", format="jpeg")
    finally:
        await store.drop()
        store.close()
    assert [r["sha256"] for r in with_prefix["results"]] == [
        r["sha256"] for r in without["results"]
    ]


async def test_only_costly_prefixes_are_stored_and_not_after_a_split(
    client: Any, settings: Settings, store: Store
) -> None:
    async with working(settings):
        await submit(client, "grayscale", "rotate=90")
        await submit(client, "split", "upscale=2", "grayscale")
        assert (await stored(store, "intermediates"))[0] == 0
        await submit(client, "rotate=90", "upscale=2", "grayscale")
        await wait_until_stored(store, 1)


async def test_intermediates_expire(
    client: Any, settings: Settings, store: Store, reused: list[int]
) -> None:
    async with working(settings):
        await submit(client, "upscale=2", "grayscale")
        await wait_until_stored(store, 1)
        assert await store.intermediates.delete_older(3600) == 0
        assert await store.intermediates.delete_older(-5) == 1
        await submit(client, "upscale=2", "rotate=90")
        assert reused == []


async def test_zero_ttl_stores_nothing(
    aiohttp_client: Any, settings: Settings, store: Store
) -> None:
    from service.app import create_app

    off = settings.replace(intermediate_ttl=0)
    client = await aiohttp_client(create_app(off))
    async with working(off):
        await submit(client, "upscale=2", "grayscale")
    assert (await stored(store, "intermediates"))[0] == 0


def test_memory_counts_the_encoding_that_a_stored_step_named() -> None:
    first = parse("convert", {"format": "jpeg", "progressive": "1"})
    operations = [first, parse("upscale", {}), parse("grayscale", {})]
    assert _left(operations, 0) == operations
    left = _left(operations, 2)
    assert left == [first, operations[2]]
    header = ImageHeader("png", 1000, 1000, 8, 3)
    assert predict(header, left, "jpeg") > predict(header, operations[2:], "jpeg")
