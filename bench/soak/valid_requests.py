"""Acts of valid clients: each of them must get a response."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from bench.soak import images
from bench.soak.client import SoakClient
from models.operations import OPERATIONS as REGISTRY

Act = Callable[[SoakClient], Awaitable[None]]

_SMALL = {  # where an example does not suit images of 16 to 120 pixels
    "thumbnail": {"width": "24", "height": "24"},
    "crop": {"width": "8", "height": "8"},
}
OPERATIONS: list[tuple[str, dict[str, str]]] = [
    *((op, _SMALL.get(op, dict(spec.example))) for op, spec in REGISTRY.items()),
    ("upscale", {"scale": "2", "quality": "fast"}),
    ("resize", {"scale": "0.5", "format": "webp"}),
    ("process", {"operations": '["grayscale", {"op": "resize", "scale": 2}]'}),
]
_PATHS = [
    "/",
    "/docs",
    "/openapi.json",
    "/operations",
    "/healthz",
    "/readyz",
    "/metrics",
    "/dashboard",
]
_SSE_TIMEOUT = aiohttp.ClientTimeout(
    total=None, sock_read=60
)  # the stream sends something every 15 s
_REPEATED_IMAGES = 8  # pictures that are sent repeatedly


def form(fields: dict[str, str], *files: tuple[str, bytes]) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in fields.items():
        made.add_field(name, value)
    for name, data in files:
        # A file, not bytes: aiohttp sends those in one piece, however many there are.
        file = io.BytesIO(data)
        made.add_field("image", file, filename=name, content_type="application/octet-stream")
    return made


async def _wait_for_task(client: SoakClient, task_id: str) -> dict[str, Any]:
    """Wait for the end of a task by long polls; {} if it does not end in time."""
    for _ in range(6):
        status, body = await client.request("GET", f"/tasks/{task_id}?wait=5", must=True)
        if status == 200 and (task := json.loads(body))["finished_at"]:
            return dict(task)
    return {}


async def upload(client: SoakClient) -> None:
    """Upload one, wait, and fetch the result: whole, in part, by its ETag, its head."""
    operation, fields = client.rng.choice(OPERATIONS)
    data = images.valid(client.rng, client.rng.choice(["PNG", "JPEG"]))
    tasks = await client.submit(f"/{operation}?wait=5", form(fields, ("cat.png", data)))
    for promised in tasks:
        task = await _wait_for_task(client, promised["task_id"])
        if task.get("status") == "FAILURE":
            client.records.fault(f"a sound picture failed: {task['error']}")
        if not task.get("url"):
            continue
        url = task["url"]
        client.records.results.append(url)
        await client.request("GET", url, must=True)
        await client.request("GET", url, headers={"Range": "bytes=1-40"}, must=True)
        etag = f'"{task["results"][0]["sha256"]}"'
        await client.request("GET", url, headers={"If-None-Match": etag}, must=True)
        await client.request("HEAD", url, must=True)


async def same_image(client: SoakClient) -> None:
    """Send an image that was sent before, perhaps at the same moment."""
    number = client.rng.randrange(_REPEATED_IMAGES)
    data = images.valid(type(client.rng)(number), "PNG")
    await client.submit("/grayscale", form({}, (f"same-{number}.png", data)))


async def group(client: SoakClient) -> None:
    """Send several, wait for them, fetch the archive, and group them once more."""
    files = [(f"{n}.jpg", images.valid(client.rng, "JPEG")) for n in range(3)]
    tasks = await client.submit("/resize", form({"scale": "0.5"}, *files))
    if len(tasks) < 2:
        return
    group_id = client.records.groups[-1]
    await client.request("GET", f"/status/{group_id}?wait=10", must=True)
    await client.request("GET", f"/status/{group_id}/archive?wait=10", must=True)
    ids = [task["task_id"] for task in tasks]
    await client.request("POST", "/groups", json={"tasks": ids}, must=True)


async def events(client: SoakClient) -> None:
    """Listen to a task until it has ended."""
    data = images.valid(client.rng, "PNG")
    for task in await client.submit("/blur", form({"kernel": "3"}, ("a.png", data))):
        path = f"/tasks/{task['task_id']}/events"
        await client.request("GET", path, must=True, timeout=_SSE_TIMEOUT)


async def cancel_and_retry(client: SoakClient) -> None:
    """Cancel a task that was just sent, and sometimes retry it."""
    data = images.valid(client.rng, "PNG", 240)
    fields = {"scale": "3", "quality": "best"}
    for task in await client.submit("/upscale", form(fields, ("a.png", data))):
        await client.request("DELETE", f"/tasks/{task['task_id']}", must=True)
        if client.rng.random() < 0.3:
            await client.request("POST", f"/tasks/{task['task_id']}/retry", must=True)


async def delete(client: SoakClient) -> None:
    if client.records.results:
        url = client.rng.choice(client.records.results)
        await client.request("DELETE", url, must=True)


async def poll(client: SoakClient) -> None:
    """Poll known tasks and read the pages."""
    for task_id in client.rng.sample(list(client.records.tasks), min(3, len(client.records.tasks))):
        await client.request("GET", f"/tasks/{task_id}", must=True)
    await client.request("GET", client.rng.choice(_PATHS), must=True)


async def legacy_call(client: SoakClient) -> None:
    """Call as clients of the older services do: the response is the picture."""
    data = aiohttp.FormData()
    data.add_field("uploaded_file", images.valid(client.rng, "PNG"), filename="a.png")
    await client.request("POST", "/convert/", data=data, must=True)


ACTS: dict[str, tuple[Act, int]] = {
    "a picture: send, wait, fetch": (upload, 10),
    "the same picture again": (same_image, 4),
    "a group, its archive": (group, 3),
    "events until the end": (events, 3),
    "cancel, retry": (cancel_and_retry, 2),
    "delete a result": (delete, 2),
    "poll, read pages": (poll, 6),
    "an older call": (legacy_call, 2),
}
"""Each act, and its weight compared to the others."""
