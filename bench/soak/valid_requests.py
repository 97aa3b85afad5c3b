"""What honest clients do: every one of these has to be answered."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from bench.soak import images
from bench.soak.client import Visitor

Act = Callable[[Visitor], Awaitable[None]]

OPERATIONS: list[tuple[str, dict[str, str]]] = [
    ("upscale", {"scale": "2", "quality": "fast"}),
    ("upscale", {"scale": "2"}),
    ("grayscale", {}),
    ("blur", {"kernel": "5"}),
    ("thumbnail", {"width": "24", "height": "24"}),
    ("resize", {"scale": "0.5", "format": "webp"}),
    ("split", {}),
    ("crop", {"width": "8", "height": "8"}),
    ("rotate", {"angle": "90"}),
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
_NEVER_SILENT = aiohttp.ClientTimeout(total=None, sock_read=60)  # it says something every 15 s
_SAME = 8  # pictures that are sent again and again


def form(fields: dict[str, str], *files: tuple[str, bytes]) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in fields.items():
        made.add_field(name, value)
    for name, data in files:
        # A file, not bytes: aiohttp sends those in one piece, however many there are.
        file = io.BytesIO(data)
        made.add_field("image", file, filename=name, content_type="application/octet-stream")
    return made


async def _ended(visitor: Visitor, task_id: str) -> dict[str, Any]:
    """Wait for the end of a task by long polls; {} where it does not come in time."""
    for _ in range(6):
        status, body = await visitor.ask("GET", f"/tasks/{task_id}?wait=5", must=True)
        if status == 200 and (task := json.loads(body))["finished_at"]:
            return dict(task)
    return {}


async def picture(visitor: Visitor) -> None:
    """Send one, wait, fetch it whole, in part, by its ETag, its head."""
    operation, fields = visitor.rng.choice(OPERATIONS)
    data = images.sound(visitor.rng, visitor.rng.choice(["PNG", "JPEG"]))
    tasks = await visitor.submit(f"/{operation}?wait=5", form(fields, ("cat.png", data)))
    for promised in tasks:
        task = await _ended(visitor, promised["task_id"])
        if task.get("status") == "FAILURE":
            visitor.books.fault(f"a sound picture failed: {task['error']}")
        if not task.get("url"):
            continue
        url = task["url"]
        visitor.books.results.append(url)
        await visitor.ask("GET", url, must=True)
        await visitor.ask("GET", url, headers={"Range": "bytes=1-40"}, must=True)
        etag = f'"{task["results"][0]["sha256"]}"'
        await visitor.ask("GET", url, headers={"If-None-Match": etag}, must=True)
        await visitor.ask("HEAD", url, must=True)


async def again(visitor: Visitor) -> None:
    """Send what was sent before, perhaps at this very moment."""
    number = visitor.rng.randrange(_SAME)
    data = images.sound(type(visitor.rng)(number), "PNG")
    await visitor.submit("/grayscale", form({}, (f"same-{number}.png", data)))


async def group(visitor: Visitor) -> None:
    """Send several, watch them, fetch the archive, make a group of them once more."""
    files = [(f"{n}.jpg", images.sound(visitor.rng, "JPEG")) for n in range(3)]
    tasks = await visitor.submit("/resize", form({"scale": "0.5"}, *files))
    if len(tasks) < 2:
        return
    group_id = visitor.books.groups[-1]
    await visitor.ask("GET", f"/status/{group_id}?wait=10", must=True)
    await visitor.ask("GET", f"/status/{group_id}/archive?wait=10", must=True)
    ids = [task["task_id"] for task in tasks]
    await visitor.ask("POST", "/groups", json={"tasks": ids}, must=True)


async def events(visitor: Visitor) -> None:
    """Listen to a task until it has ended."""
    data = images.sound(visitor.rng, "PNG")
    for task in await visitor.submit("/blur", form({"kernel": "3"}, ("a.png", data))):
        path = f"/tasks/{task['task_id']}/events"
        await visitor.ask("GET", path, must=True, timeout=_NEVER_SILENT)


async def change_of_mind(visitor: Visitor) -> None:
    """Cancel what was just sent, and sometimes ask for it again."""
    data = images.sound(visitor.rng, "PNG", 400)
    fields = {"scale": "3", "quality": "best"}
    for task in await visitor.submit("/upscale", form(fields, ("a.png", data))):
        await visitor.ask("DELETE", f"/tasks/{task['task_id']}", must=True)
        if visitor.rng.random() < 0.3:
            await visitor.ask("POST", f"/tasks/{task['task_id']}/retry", must=True)


async def delete(visitor: Visitor) -> None:
    if visitor.books.results:
        url = visitor.rng.choice(visitor.books.results)
        await visitor.ask("DELETE", url, must=True)


async def look(visitor: Visitor) -> None:
    """Poll what is known, and read the pages."""
    for task_id in visitor.rng.sample(list(visitor.books.tasks), min(3, len(visitor.books.tasks))):
        await visitor.ask("GET", f"/tasks/{task_id}", must=True)
    await visitor.ask("GET", visitor.rng.choice(_PATHS), must=True)


async def older(visitor: Visitor) -> None:
    """Call as the clients of older services do: the picture comes in the answer."""
    data = aiohttp.FormData()
    data.add_field("uploaded_file", images.sound(visitor.rng, "PNG"), filename="a.png")
    await visitor.ask("POST", "/convert/", data=data, must=True)


ACTS: dict[str, tuple[Act, int]] = {
    "a picture: send, wait, fetch": (picture, 10),
    "the same picture again": (again, 4),
    "a group, its archive": (group, 3),
    "events until the end": (events, 3),
    "cancel, retry": (change_of_mind, 2),
    "delete a result": (delete, 2),
    "poll, read pages": (look, 6),
    "an older call": (older, 2),
}
"""What is done, and how often compared to the others."""
