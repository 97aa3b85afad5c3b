"""What hostile clients do below HTTP: connections that say nothing, little, slowly or nonsense."""

from __future__ import annotations

import asyncio

from bench.soak import images
from bench.soak.client import Visitor
from bench.soak.darkroom import UPLOAD_TIMEOUT
from bench.soak.valid_requests import Act

_HEAD = (
    b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
)
_NONSENSE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # the beginning of TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(3000)) + b"\r\n",
    b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    (
        b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n"
    ),
    b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET http://example.org/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\r\n\r\n\r\n\x00\x00\xff",
    b"CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: nonsense\r\nContent-Length: 1\r\n\r\n",
]


async def silent(visitor: Visitor) -> None:
    """Connect and say nothing, or half of a request."""
    async with visitor.line() as (reader, writer):
        writer.write(visitor.rng.choice([b"", b"G", b"GET / HTTP/1.1\r\nHost: loc"]))
        await visitor.answer(reader, visitor.rng.uniform(0.5, 8))


async def slow_head(visitor: Visitor) -> None:
    async with visitor.line() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        for number in range(visitor.rng.randint(2, 12)):
            writer.write(b"X-%d: a\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.5)
        await visitor.answer(reader, 1)


async def slow_body(visitor: Visitor) -> None:
    """Send a picture a few bytes at a time, for longer than UPLOAD_TIMEOUT allows."""
    async with visitor.line() as (reader, writer):
        writer.write(_HEAD + images.PNG)
        for _ in range(visitor.rng.randint(1, 2 * UPLOAD_TIMEOUT)):
            writer.write(b"slow")
            await writer.drain()
            await asyncio.sleep(0.5)
        await visitor.answer(reader, 2)


async def cut_upload(visitor: Visitor) -> None:
    """Leave in the middle of a picture."""
    async with visitor.line() as (_, writer):
        writer.write(_HEAD + images.sound(visitor.rng, "PNG")[:400])
        await writer.drain()
        await asyncio.sleep(visitor.rng.uniform(0, 0.3))
        visitor.books.ended(visitor.act, "left")


async def nonsense(visitor: Visitor) -> None:
    async with visitor.line() as (reader, writer):
        writer.write(visitor.rng.choice(_NONSENSE))
        await writer.drain()
        await visitor.answer(reader, 6)


async def unread_answer(visitor: Visitor) -> None:
    """Ask for much, many times over on one connection, and take none of it in."""
    async with visitor.line() as (_, writer):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)
        await writer.drain()
        await asyncio.sleep(visitor.rng.uniform(0.5, 5))
        visitor.books.ended(visitor.act, "left")


async def unread_events(visitor: Visitor) -> None:
    """Open a stream of events and leave it without a word, at once or after a while."""
    known = visitor.books.groups if visitor.rng.random() < 0.5 else visitor.books.tasks
    if not known:
        return
    place = "status" if known is visitor.books.groups else "tasks"
    path = f"/{place}/{visitor.rng.choice(known)}/events"
    async with visitor.line() as (_, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(visitor.rng.uniform(0, 3))
        visitor.books.ended(visitor.act, "left")


async def left_wait(visitor: Visitor) -> None:
    """Ask to be told when a task ends, and do not wait for it."""
    if not visitor.books.tasks:
        return
    path = f"/tasks/{visitor.books.tasks[-1]}?wait=10"
    async with visitor.line() as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await visitor.answer(reader, visitor.rng.uniform(0.05, 1))


ACTS: dict[str, tuple[Act, int]] = {
    "a silent or half-open connection": (silent, 3),
    "a slow head": (slow_head, 2),
    "a slow body": (slow_body, 3),
    "an upload that is cut": (cut_upload, 4),
    "no HTTP, or two requests in one": (nonsense, 5),
    "answers nobody reads": (unread_answer, 2),
    "event streams nobody reads": (unread_events, 4),
    "a long poll that is left": (left_wait, 3),
}
"""What is done, and how often compared to the others."""
