"""The documented calls of the older grayscale converter and thumbnail service."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.service.submissions.test_submission_request import CAT, DOG, form
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images


def animation() -> bytes:
    frames = [Image.fromarray(images.scene(200, 120, seed)) for seed in (1, 2)]
    return images.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


async def test_grayscale_responds_with_the_image(
    client: Any, settings: Settings, store: Store
) -> None:
    given = ((CAT, "png"), (DOG, "jpeg"))
    async with working(settings):
        responses = [
            await client.post("/convert/", data=form([("a", data)], "uploaded_file"))
            for data, _ in given
        ]
        bodies = [await response.read() for response in responses]
    for (data, kind), response, body in zip(given, responses, bodies, strict=True):
        assert (response.status, response.content_type) == (200, f"image/{kind}")
        picture = images.decoded(body)
        assert (picture.mode, picture.format) == ("L", kind.upper())
        expected = np.asarray(images.decoded(data).convert("L"))
        assert images.psnr(np.asarray(picture), expected) > 35, kind
        # No worker runs now: the stored result is sent again.
        again = await client.post("/convert/", data=form([("b", data)], "uploaded_file"))
        assert (again.status, await again.read()) == (200, body)
        task = await store.tasks.get(response.headers["Content-Location"].rpartition("/")[2])
        assert task is not None
        assert task.attempts == 1


async def test_grayscale_sync_timeout(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, sync_timeout=0.1)
    response = await client.post("/convert/", data=form([("a.png", CAT)], "uploaded_file"))
    body = await refused(response, 503, "not_finished")
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Location"] == f"/tasks/{body['task_id']}"
    assert (body["setting"], body["limit"]) == ("SYNC_TIMEOUT", 0.1)
    assert (await client.get(response.headers["Location"])).status == 200


async def test_grayscale_errors(client: Any, settings: Settings, store: Store) -> None:
    body = await refused(
        await client.post("/convert/", data=form([("a", CAT)])), 400, "bad_request"
    )
    assert "'uploaded_file'" in body["detail"]
    bad = form([("a.gif", animation())], "uploaded_file")
    await refused(await client.post("/convert/", data=bad), 415, "unsupported_format")
    waiting: Any = asyncio.ensure_future(
        client.post("/convert/", data=form([("a.png", CAT)], "uploaded_file"))
    )
    while not (tasks := await store.leases.waiting(-1)):
        await asyncio.sleep(0.01)
    await store.leases.claim(tasks[0].id, worker="w", token="t", seconds=9, max_attempts=3)
    await store.leases.fail(tasks[0].id, "t", {"code": "bad_image", "detail": "broken inside"})
    body = await refused(await waiting, 422, "bad_image")
    assert body["detail"] == "broken inside"


async def poll_until(client: Any, location: str, status: str) -> Any:
    while True:
        body = await (await client.get(location)).json()
        if body["submission_status"] == status:
            return body
        assert body["submission_status"] in {"PENDING", "STARTED"}, body
        await asyncio.sleep(0.02)


async def test_thumbnail_states_and_result(client: Any, settings: Settings) -> None:
    given = (
        (images.png(300, 200), "PNG"),
        (images.jpeg(300, 200), "JPEG"),
        (animation(), "PNG"),
    )
    answers = []
    for data, kind in given:
        response = await client.post("/convert", data=form([("holiday.x", data)], "file"))
        body = await response.json()
        location = f"/convert/{body['submission_task_id']}"
        assert response.status == 202, kind
        assert response.headers["Location"] == location
        pending = {
            "submission_task_id": body["submission_task_id"],
            "submission_status": "PENDING",
            "status": "PENDING",
            "submission_result": None,
        }
        assert body == pending
        assert await (await client.get(location)).json() == pending
        answers.append(pending)
    async with working(settings):
        ended = [
            await poll_until(client, f"/convert/{pending['submission_task_id']}", "SUCCESS")
            for pending in answers
        ]
    for (data, kind), pending, done in zip(given, answers, ended, strict=True):
        assert done["submission_result"] is True
        picture = images.decoded(await (await client.get(done["url"])).read())
        assert (max(picture.size), picture.format) == (100, kind)
        again = await client.post("/convert", data=form([("holiday.x", data)], "file"))
        assert (again.status, await again.json()) == (202, pending)


async def test_failed_thumbnail_shows_the_error(client: Any, store: Store) -> None:
    body = await (await client.post("/convert", data=form([("a.png", CAT)], "file"))).json()
    task_id = body["submission_task_id"]
    await store.leases.claim(task_id, worker="w", token="t", seconds=9, max_attempts=3)
    started = await (await client.get(f"/convert/{task_id}")).json()
    assert (started["submission_status"], started["submission_result"]) == ("STARTED", None)
    await store.leases.fail(task_id, "t", {"code": "bad_image", "detail": "broken inside"})
    failed = await (await client.get(f"/convert/{task_id}")).json()
    assert failed["submission_status"] == "FAILURE"
    assert failed["submission_result"] == "broken inside"
    await refused(await client.get("/convert/nobody"), 404, "not_found")


async def test_convert_with_the_field_image_is_the_convert_operation(
    client: Any, settings: Settings
) -> None:
    async with working(settings):
        data = form([("a.png", CAT)], format="webp", quality="80")
        body = await (await client.post("/convert?wait=30", data=data)).json()
    assert body["results"][0]["format"] == "webp"
    bad = form([("a.gif", animation())], format="webp")
    body = await refused(await client.post("/convert", data=bad), 415, "unsupported_format")
    assert body["accepted"] == ["png", "jpeg"]
    two = form([("a.png", CAT), ("b.png", DOG)], "file")
    await refused(await client.post("/convert", data=two), 400, "bad_request")
    mixed = form([("a.png", CAT)], format="webp")
    mixed.add_field("file", animation(), filename="b.gif")
    body = await refused(await client.post("/convert", data=mixed), 400, "bad_request")
    assert "'file' and 'image'" in body["detail"]


@pytest.mark.parametrize(
    ("route", "field", "others"),
    [("/convert/", "uploaded_file", ("uploaded_file",)), ("/convert", "file", ("file", "image"))],
)
async def test_blank_file_inputs_are_passed_over(
    aiohttp_client: Any, settings: Settings, route: str, field: str, others: tuple[str, ...]
) -> None:
    client = await limited(aiohttp_client, settings, sync_timeout=0.1)
    sent = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="'.encode() + rest
        for name, rest in (
            *((other, b'"\r\n\r\n\r\n') for other in others),
            (field, b'a.png"\r\n\r\n' + CAT + b"\r\n"),
            (field, b'"\r\n\r\n\r\n'),
        )
    )
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post(route, data=sent + b"--x--\r\n", headers=head)
    accepted = {"/convert/": 503, "/convert": 202}  # 503: no worker runs, see SYNC_TIMEOUT
    assert response.status == accepted[route]


async def test_other_routes_refuse_gif(client: Any) -> None:
    for route in ("/upscale", "/thumbnail", "/grayscale"):
        response = await client.post(route, data=form([("a.gif", animation())]))
        await refused(response, 415, "unsupported_format")


async def test_truncated_and_huge_gif_are_refused(client: Any) -> None:
    cut = form([("a.gif", animation()[:-400])], "file")
    await refused(await client.post("/convert", data=cut), 422, "bad_image")
    huge = bytearray(animation())
    huge[6:10] = b"\xff\xff\xff\xff"
    await refused(
        await client.post("/convert", data=form([("a.gif", bytes(huge))], "file")),
        422,
        "too_many_pixels",
    )
    assert io.BytesIO(animation()).read(4) == b"GIF8"
