"""Hostile acts below HTTP: connections that send nothing, little, slowly or nonsense."""

from __future__ import annotations

import asyncio

from bench.soak import images
from bench.soak.client import SoakClient
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


async def silent_connection(client: SoakClient) -> None:
    """Connect and send nothing, or half of a request."""
    async with client.raw_connection() as (reader, writer):
        writer.write(client.rng.choice([b"", b"G", b"GET / HTTP/1.1\r\nHost: loc"]))
        await client.record_response(reader, client.rng.uniform(0.5, 8))


async def slow_head(client: SoakClient) -> None:
    async with client.raw_connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        for number in range(client.rng.randint(2, 12)):
            writer.write(b"X-%d: a\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.5)
        await client.record_response(reader, 1)


async def slow_body(client: SoakClient) -> None:
    """Send a picture a few bytes at a time, for longer than UPLOAD_TIMEOUT allows."""
    async with client.raw_connection() as (reader, writer):
        writer.write(_HEAD + images.PNG)
        for _ in range(client.rng.randint(1, 2 * UPLOAD_TIMEOUT)):
            writer.write(b"slow")
            await writer.drain()
            await asyncio.sleep(0.5)
        await client.record_response(reader, 2)


async def fast_then_slow(client: SoakClient) -> None:
    """Begin an upload fast, and then send a byte now and then: it holds its share of the spool."""
    async with client.raw_connection() as (reader, writer):
        writer.write(_HEAD + images.PNG + bytes(60_000))
        response = asyncio.create_task(client.record_response(reader, 2 * UPLOAD_TIMEOUT))
        try:
            while not response.done():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)
        finally:
            await response


async def cut_upload(client: SoakClient) -> None:
    """Leave in the middle of a picture."""
    async with client.raw_connection() as (_, writer):
        writer.write(_HEAD + images.valid(client.rng, "PNG")[:400])
        await writer.drain()
        await asyncio.sleep(client.rng.uniform(0, 0.3))
        client.records.record_disconnect(client.act, "left")


async def nonsense(client: SoakClient) -> None:
    async with client.raw_connection() as (reader, writer):
        writer.write(client.rng.choice(_NONSENSE))
        await writer.drain()
        await client.record_response(reader, 6)


async def costly_to_parse(client: SoakClient) -> None:
    """Send a body of which each byte is a chunk, a line's end or a marker of a JPEG."""
    part = _HEAD[_HEAD.index(b"--x") :]
    body, coding = part + b"\xff\xd8" + b"\xff" * 900_000 + b"\r\n--x--", b""
    kind = client.rng.choice(["chunks", "line ends", "markers"])
    if kind == "chunks":
        tiny = (b"1\r\n%c\r\n" % byte for byte in part + images.PNG + bytes(60_000))
        body, coding = b"".join(tiny) + b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"
    elif kind == "line ends":
        body = part + images.PNG + b"\r\n-" * 300_000
    length = b"" if coding else b"Content-Length: %d\r\n" % len(body)
    async with client.raw_connection() as (reader, writer):
        writer.write(
            b"POST /grayscale HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n%s%s\r\n%s" % (coding, length, body)
        )
        await client.record_response(reader)


async def unread_response(client: SoakClient) -> None:
    """Pipeline many requests for large responses on one connection, and read none of them."""
    async with client.raw_connection() as (_, writer):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)
        await writer.drain()
        await asyncio.sleep(client.rng.uniform(0.5, 5))
        client.records.record_disconnect(client.act, "left")


async def unread_events(client: SoakClient) -> None:
    """Open an event stream and reset it, at once or after a while."""
    known = client.records.groups if client.rng.random() < 0.5 else client.records.tasks
    if not known:
        return
    place = "status" if known is client.records.groups else "tasks"
    path = f"/{place}/{client.rng.choice(known)}/events"
    async with client.raw_connection() as (_, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(client.rng.uniform(0, 3))
        client.records.record_disconnect(client.act, "left")


async def abandoned_long_poll(client: SoakClient) -> None:
    """Start a long poll and abandon it."""
    if not client.records.tasks:
        return
    path = f"/tasks/{client.records.tasks[-1]}?wait=10"
    async with client.raw_connection() as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await client.record_response(reader, client.rng.uniform(0.05, 1))


ACTS: dict[str, tuple[Act, int]] = {
    "a silent or half-open connection": (silent_connection, 3),
    "a slow head": (slow_head, 2),
    "a slow body": (slow_body, 3),
    "an upload that starts fast": (fast_then_slow, 2),
    "an upload that is cut": (cut_upload, 4),
    "not HTTP, or two requests in one": (nonsense, 5),
    "costly to parse": (costly_to_parse, 2),
    "unread responses": (unread_response, 2),
    "unread event streams": (unread_events, 4),
    "an abandoned long poll": (abandoned_long_poll, 3),
}
"""Each act, and its weight compared to the others."""
