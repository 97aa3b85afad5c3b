"""What hostile clients do, within the form of HTTP: pictures, fields, names, methods, ranges."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp

from bench.soak import images
from bench.soak.client import Visitor
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


async def bad_picture(visitor: Visitor) -> None:
    """Send each operation what no decoder should believe; 2xx where it has the form of one."""
    kind = visitor.rng.choice(list(images.HOSTILE))
    operation, fields = visitor.rng.choice(OPERATIONS)
    data = images.HOSTILE[kind](visitor.rng)
    await visitor.submit(f"/{operation}", form(fields, (f"{kind}.png", data)), must=False)


async def mixed_group(visitor: Visitor) -> None:
    """Send hostile pictures between sound ones: each fails alone."""
    files = [(f"{name}.png", make(visitor.rng)) for name, make in images.HOSTILE.items()]
    files.append(("sound.png", images.sound(visitor.rng, "PNG")))
    visitor.rng.shuffle(files)
    await visitor.submit("/thumbnail", form({}, *files), must=False)


async def too_large(visitor: Visitor) -> None:
    """Send more than MAX_UPLOAD_BYTES, of known or of unknown length."""
    size = MAX_UPLOAD_BYTES + visitor.rng.randint(1, MAX_UPLOAD_BYTES)
    if visitor.rng.random() < 0.5:
        data = form({}, ("large.png", images.PNG + bytes(size)))
        await visitor.ask("POST", "/grayscale", data=data)
        return

    async def endless() -> AsyncIterator[bytes]:
        head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        yield head.encode()
        for _ in range(200):
            yield bytes(64 * 1024)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    await visitor.ask("POST", "/grayscale", data=endless(), headers=headers)


async def bad_form(visitor: Visitor) -> None:
    """Send what calls itself a form and is none, or one with too much of something."""
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
    headers = {"Content-Type": visitor.rng.choice(kinds)}
    await visitor.ask("POST", "/upscale", data=visitor.rng.choice(bodies), headers=headers)


async def bad_name(visitor: Visitor) -> None:
    """Send a sound picture under a name that is an attack."""
    data = images.sound(visitor.rng, "PNG", 32)
    made = aiohttp.FormData(quote_fields=False)
    name = visitor.rng.choice(NAMES).replace("\x00", "%00").replace('"', "")
    made.add_field("image", data, filename=name)
    await visitor.submit("/grayscale", made, must=False)


async def bad_path(visitor: Visitor) -> None:
    await visitor.ask("GET", visitor.rng.choice(PATHS))


async def bad_method(visitor: Visitor) -> None:
    path = visitor.rng.choice(["/", "/upscale", "/tasks/x", "/processed/x", "/healthz", "/metrics"])
    await visitor.ask(visitor.rng.choice(_METHODS), path)


async def bad_document(visitor: Visitor) -> None:
    headers = {"Content-Type": "application/json"}
    path = visitor.rng.choice(["/groups", "/items/", "/subscribe", "/process"])
    await visitor.ask("POST", path, data=visitor.rng.choice(_DOCUMENTS), headers=headers)


async def bad_range(visitor: Visitor) -> None:
    if visitor.books.results:
        url = visitor.rng.choice(visitor.books.results)
        headers = {"Range": visitor.rng.choice(_RANGES), "If-Range": "x", "If-None-Match": ",,,"}
        await visitor.ask("GET", url, headers=headers)


async def somebody_elses_mail(visitor: Visitor) -> None:
    """Have letters sent to others, with headers of one's own: a few pass, then 429."""
    address = f"victim{visitor.rng.randrange(50)}@example.org"
    bad = visitor.rng.choice(["", "\r\nBcc: all@example.org", ", other@example.org", "\x00"])
    await visitor.ask("POST", "/subscribe", data={"email": address + bad})


ACTS: dict[str, tuple[Act, int]] = {
    "a hostile picture": (bad_picture, 10),
    "hostile pictures in a group": (mixed_group, 2),
    "too large, or without end": (too_large, 2),
    "a form that is none": (bad_form, 3),
    "a hostile name": (bad_name, 2),
    "a hostile path or id": (bad_path, 4),
    "a wrong method": (bad_method, 2),
    "a hostile document": (bad_document, 2),
    "a hostile range": (bad_range, 2),
    "letters to others": (somebody_elses_mail, 1),
}
"""What is done, and how often compared to the others."""
