"""Hostile acts within valid HTTP: pictures, fields, names, methods, ranges."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp

from bench.soak import images
from bench.soak.client import SoakClient
from bench.soak.darkroom import MAX_UPLOAD_BYTES
from bench.soak.valid_requests import OPERATIONS, Act, form

NAMES = [
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "a\x00.png",
    "\u202egnp.exe",
    "con.png",
    "x" * 5000 + ".png",
    ".",
    "a'\"><script>.png",
    "\ud800.png".encode("utf-8", "replace").decode(),
    "%2e%2e%2f%00",
]
PATHS = [
    "/tasks/0123456789abcdef0123456789abcdef",
    "/tasks/%00",
    "/tasks/..%2f..%2fetc%2fpasswd",
    "/processed/..%2f..%2f..%2fetc%2fpasswd",
    "/processed/....//....//etc/passwd",
    "/processed/%ff%fe.png",
    "/processed/" + "a" * 4000,
    "/static/..%2f..%2fservice%2fapp.py",
    "/status/%24where",
    "/status/x/archive",
    "/tasks/%7B%22%24ne%22:1%7D",
    "/convert/../../x",
    "/dashboard/api/tasks?status=%24ne",
    "/tasks/0123456789abcdef0123456789abcdef?wait=1e308",
    "/tasks/0123456789abcdef0123456789abcdef?wait=nan",
    "//etc/passwd",
]
_METHODS = ["PUT", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "DELETE", "POST", "BREW"]
_DOCUMENTS = [
    b"{",
    b"[" * 50_000,
    b'{"tasks": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"tasks": [{"$ne": null}]}',
    b'{"tasks": ["' + b"a" * 100_000 + b'"]}',
    b'{"tasks": [1e999, NaN, -0, true]}',
    b'{"images": [{"input": "../../etc/passwd", "output": "/tmp/x"}], "operations": ["resize=2"]}',
    b"\xff\xfe{}",
    b"x" * 500_000,
]
_RANGES = [
    "bytes=0-0,1-1,2-2",
    "bytes=-0",
    "bytes=9999999999999-",
    "bytes=5-1",
    "lines=1-2",
    "bytes=a-b",
]


async def bad_picture(client: SoakClient) -> None:
    """Send malformed images to the operations; 2xx where only the container is checked."""
    kind = client.rng.choice(list(images.HOSTILE))
    operation, fields = client.rng.choice(OPERATIONS)
    data = images.HOSTILE[kind](client.rng)
    await client.submit(f"/{operation}", form(fields, (f"{kind}.png", data)), must=False)


async def mixed_group(client: SoakClient) -> None:
    """Send hostile pictures beside valid ones: each fails alone."""
    files = [(f"{name}.png", make(client.rng)) for name, make in images.HOSTILE.items()]
    files.append(("sound.png", images.valid(client.rng, "PNG")))
    client.rng.shuffle(files)
    await client.submit("/thumbnail", form({}, *files), must=False)


async def too_large(client: SoakClient) -> None:
    """Send more than MAX_UPLOAD_BYTES, of known or of unknown length."""
    size = MAX_UPLOAD_BYTES + client.rng.randint(1, MAX_UPLOAD_BYTES)
    if client.rng.random() < 0.5:
        data = form({}, ("large.png", images.PNG + bytes(size)))
        await client.request("POST", "/grayscale", data=data)
        return

    async def endless() -> AsyncIterator[bytes]:
        head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        yield head.encode()
        for _ in range(200):
            yield bytes(64 * 1024)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    await client.request("POST", "/grayscale", data=endless(), headers=headers)


async def amplified(client: SoakClient) -> None:
    """Send a small picture whose results would be huge, or many, or repeat a large profile."""
    split = '["split", "split", "split"]'
    operations, data = client.rng.choice(
        [
            (f"resize={client.rng.randint(20, 100)}", images.valid(client.rng, "PNG", 400)),
            ('["resize=20", "split", "split", "split"]', images.valid(client.rng, "JPEG", 400)),
            (split, images.with_profile(client.rng)),
        ]
    )
    await client.submit("/process", form({"operations": operations}, ("a.png", data)), must=False)


async def long_work(client: SoakClient) -> None:
    """Send work for an hour, which is refused; or for seconds, and take it back while it runs."""
    best = {"op": "upscale", "scale": 2, "model": "darkroom-best"}
    operations, data = json.dumps([best, best]), images.valid(client.rng, "PNG")
    if client.rng.random() < 0.5:
        operations, data = json.dumps([best, "resize=0.5"] * 10), images.LARGE
    sent = form({"operations": operations}, ("a.png", data))
    for task in await client.submit("/process", sent, must=False):
        await asyncio.sleep(client.rng.uniform(0, 1))
        await client.request("DELETE", f"/tasks/{task['task_id']}")


async def bad_form(client: SoakClient) -> None:
    """Send malformed forms, and forms with too much of something."""
    kinds = [
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/mixed; boundary=x",
    ]
    bodies = [
        b"",
        b"--x--\r\n",
        b"--x\r\n" + b"A: b\r\n" * 5000,
        b"--x\r\nContent-Disposition: form-data; name=" + b"n" * 60_000 + b"\r\n\r\n1\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nno end',
        b'--x\r\nContent-Disposition: form-data; name="scale"\r\n\r\n2\r\n' * 3000 + b"--x--",
        b'--x\r\nContent-Disposition: form-data; name="scale"\r\n\r\n'
        + b"2" * 90_000
        + b"\r\n--x--",
        b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 50,
    ]
    headers = {"Content-Type": client.rng.choice(kinds)}
    await client.request("POST", "/upscale", data=client.rng.choice(bodies), headers=headers)


async def bad_name(client: SoakClient) -> None:
    """Send a valid picture under a hostile file name."""
    data = images.valid(client.rng, "PNG", 32)
    made = aiohttp.FormData(quote_fields=False)
    name = client.rng.choice(NAMES).replace("\x00", "%00").replace('"', "")
    made.add_field("image", data, filename=name)
    await client.submit("/grayscale", made, must=False)


async def bad_path(client: SoakClient) -> None:
    await client.request("GET", client.rng.choice(PATHS))


async def bad_method(client: SoakClient) -> None:
    path = client.rng.choice(["/", "/upscale", "/tasks/x", "/processed/x", "/healthz", "/metrics"])
    await client.request(client.rng.choice(_METHODS), path)


async def bad_document(client: SoakClient) -> None:
    headers = {"Content-Type": "application/json"}
    path = client.rng.choice(["/groups", "/items/", "/subscribe", "/process"])
    await client.request("POST", path, data=client.rng.choice(_DOCUMENTS), headers=headers)


async def bad_range(client: SoakClient) -> None:
    if client.records.results:
        url = client.rng.choice(client.records.results)
        headers = {"Range": client.rng.choice(_RANGES), "If-Range": "x", "If-None-Match": ",,,"}
        await client.request("GET", url, headers=headers)


async def email_bomb(client: SoakClient) -> None:
    """Request e-mails to others, by sub-addresses, with injected headers: a few pass, then 429."""
    tag = client.rng.choice(["", f"+{client.rng.randrange(1000)}"])
    address = f"victim{client.rng.randrange(50)}{tag}@example.org"
    bad = client.rng.choice(["", "\r\nBcc: all@example.org", ", other@example.org", "\x00"])
    await client.request("POST", "/subscribe", data={"email": address + bad})


ACTS: dict[str, tuple[Act, int]] = {
    "a hostile picture": (bad_picture, 10),
    "hostile pictures in a group": (mixed_group, 2),
    "too large, or without end": (too_large, 2),
    "small, with huge results": (amplified, 2),
    "long work": (long_work, 2),
    "a malformed form": (bad_form, 3),
    "a hostile name": (bad_name, 2),
    "a hostile path or id": (bad_path, 4),
    "a wrong method": (bad_method, 2),
    "a hostile document": (bad_document, 2),
    "a hostile range": (bad_range, 2),
    "e-mails to others": (email_bomb, 1),
}
"""Each act, and its weight compared to the others."""
