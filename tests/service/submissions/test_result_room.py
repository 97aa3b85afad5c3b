"""Predicted result bytes: limits of a picture and of a client, free disk space, huge profiles."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest

from models import free_space
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.submissions import admission
from service.uploads.disk_space import DISK_SPACE
from tests.conftest import Client
from tests.models.images.test_icc import PROFILE, png_with_profile
from tests.service.submissions.test_admission import post
from tests.support import images
from tests.support.task_factory import create, finish

MB = 1_000_000


def set_free(client: Client, reusable: int = 0, **disks: int) -> None:
    """Let the service see these free bytes, by disk, and ``reusable`` ones in MongoDB's files."""

    async def measured() -> dict[str, int]:
        return {name.replace("_", " "): free for name, free in disks.items()}

    app: Any = client.app
    app[DISK_SPACE].free_space._disks = measured
    app[DISK_SPACE].free_space._reusable = AsyncMock(return_value=reusable)


async def resize(client: Client, factor: float, seed: int = 0) -> Any:
    form = images.form(images.png(seed=seed), f"{seed}.png", operations=f"resize={factor}")
    return await client.post("/process", data=form)


async def test_results_of_one_picture(settings: Settings, aiohttp_client: Any) -> None:
    tight = settings.replace(max_result_bytes=1 * MB)
    client: Client = await aiohttp_client(create_app(tight))
    assert (await resize(client, 10)).status == 202  # 0.37 MB
    refused = await resize(client, 20)
    body = await refused.json()
    assert (refused.status, body["code"]) == (413, "too_large")
    assert (body["setting"], body["limit"]) == ("MAX_RESULT_BYTES", 1 * MB)
    assert 1.4 * MB < body["measured"] < 1.5 * MB
    assert "one of 69% of the pixels passes" in body["detail"]


async def test_results_of_one_client(settings: Settings, aiohttp_client: Any) -> None:
    tight = settings.replace(max_queue_bytes_per_client=1 * MB, proxies=1)
    client: Client = await aiohttp_client(create_app(tight))
    first = await (await resize(client, 10, seed=1)).json()
    assert (await resize(client, 10, seed=2)).status == 202
    refused = await resize(client, 10, seed=3)
    body = await refused.json()
    assert (refused.status, body["code"]) == (429, "queue_full")
    assert (body["setting"], body["limit"]) == ("MAX_QUEUE_BYTES_PER_CLIENT", 1 * MB)
    assert 1.1 * MB < body["measured"] < 1.2 * MB
    assert refused.headers["Retry-After"] == str(body["retry_after"])
    form = images.form(images.png(seed=3), "3.png", operations="resize=10")
    other = await client.post("/process", data=form, headers={"X-Forwarded-For": "198.51.100.2"})
    assert other.status == 202
    assert (await client.delete(f"/tasks/{first['task_id']}")).status == 200
    assert (await resize(client, 10, seed=4)).status == 202


async def test_concurrent_submissions_stay_within_the_bytes(
    settings: Settings, aiohttp_client: Any
) -> None:
    tight = settings.replace(max_queue_bytes_per_client=1 * MB)
    client: Client = await aiohttp_client(create_app(tight))
    responses = await asyncio.gather(*(resize(client, 10, seed) for seed in range(8)))
    assert sorted(response.status for response in responses) == [202] * 2 + [429] * 6


async def test_batch_beyond_the_bytes_of_a_client_is_refused_in_part(
    settings: Settings, aiohttp_client: Any
) -> None:
    tight = settings.replace(max_queue_bytes_per_client=1 * MB)
    client: Client = await aiohttp_client(create_app(tight))
    form = aiohttp.FormData()
    for seed in range(4):
        form.add_field("image", images.png(seed=seed), filename=f"{seed}.png")
    form.add_field("operations", "resize=10")
    body = await (await client.post("/process", data=form)).json()
    codes = [(task["error"] or {}).get("code") for task in body["tasks"]]
    assert codes == [None, None, "queue_full", "queue_full"]


async def test_results_must_fit_beside_those_of_open_tasks(
    settings: Settings, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_COUNT_SECONDS", 0)
    small = free_space._SMALL_RESULTS_BYTES
    monkeypatch.setattr(free_space, "_SMALL_RESULTS_BYTES", 100_000)
    client: Client = await aiohttp_client(create_app(settings))
    kept = settings.uploads.min_free_disk_bytes
    set_free(client, the_service=10 * kept, MongoDB=kept + 2_400_000)
    # 0.37 MB each; MongoDB needs three times as much while it stores the next, and a picture may
    # take half of the room.
    assert (await resize(client, 10, seed=1)).status == 202
    refused = await resize(client, 10, seed=2)
    body = await refused.json()
    assert (refused.status, body["code"]) == (503, "no_room")
    assert (body["setting"], body["measured"]) == ("MIN_FREE_DISK_BYTES", kept + 2_400_000)
    assert kept + 2_500_000 < body["limit"] < kept + 2_700_000
    assert "on the disk of MongoDB" in body["detail"]
    assert refused.headers["Retry-After"] == "30"
    assert (await post(client, 3)).status == 202  # a small result fits
    assert (await resize(client, 10, seed=1)).status == 202  # is accepted already
    monkeypatch.setattr(free_space, "_SMALL_RESULTS_BYTES", small)
    assert (await resize(client, 10, seed=2)).status == 202  # promises do not keep out small ones


async def test_space_of_deleted_results_is_room(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    """MongoDB keeps it in its files: a disk that was filled once accepts results again."""
    client: Client = await aiohttp_client(create_app(settings))
    kept = settings.uploads.min_free_disk_bytes
    set_free(client, the_service=10 * kept, MongoDB=kept + 1)
    assert (await resize(client, 10, seed=1)).status == 503
    set_free(client, the_service=10 * kept, MongoDB=kept + 1, reusable=3_000_000)
    assert (await resize(client, 10, seed=1)).status == 202
    set_free(client, the_service=10 * kept, MongoDB=kept - 1, reusable=3_000_000)
    assert (await resize(client, 10, seed=2)).status == 503
    assert await store.task_stats.reusable_bytes() >= 0


async def test_prediction_learns_from_results(settings: Settings, store: Store) -> None:
    assert await store.measured_tasks.result_shares() == {}
    for number, size in enumerate((100, 300)):
        task_id = await create(store, number, most_result_bytes=1000)
        await finish(store, task_id, bytes(size))
    assert await store.measured_tasks.result_shares() == {"jpeg": 0.3}


@pytest.mark.parametrize("size", [512 * 1024 + 4 * 96 + 1, 16 << 20], ids=["large", "bomb"])
async def test_huge_profile_is_refused(settings: Settings, aiohttp_client: Any, size: int) -> None:
    client: Client = await aiohttp_client(create_app(settings))
    data = png_with_profile(zlib.compress(PROFILE + bytes(size - len(PROFILE))))
    refused = await client.post("/grayscale", data=images.form(data, "a.png"))
    body = await refused.json()
    assert (refused.status, body["code"]) == (422, "bad_image")
    assert body["limit"] == 512 * 1024 + 4 * 96 < body["measured"] <= size
    assert "colour profile" in body["detail"]
    usual = png_with_profile(zlib.compress(PROFILE + bytes(100_000)))
    assert (await client.post("/grayscale", data=images.form(usual, "b.png"))).status == 202
