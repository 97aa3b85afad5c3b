"""Slow clients (slowloris), too many connections, malformed HTTP: raw sockets to a service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from models import VERSION
from models.settings import Settings
from service.app import create_app
from service.http.connection import Connection, ConnectionLimiter
from standalone import embedded_stores
from tests.support import images
from tests.support.service_process import ServiceProcess, read_until_closed, send_slowly

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"
JSON = b"Content-Type: application/json\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def shared_settings(
    mongo: embedded_stores.EmbeddedStore,
    redis: embedded_stores.EmbeddedStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    data_dir = tmp_path_factory.mktemp("service") / "data"
    return Settings().replace(
        redis_url=redis.url, mongo_url=mongo.url, mongo_db="service", data_dir=data_dir
    )


@pytest.fixture(scope="module")
def hasty(shared_settings: Settings) -> Iterator[ServiceProcess]:
    """A service with short timeouts, for the tests that wait for them."""
    with ServiceProcess(
        shared_settings,
        shared_settings.stores.data_dir.parent,
        KEEPALIVE_TIMEOUT="3",
        HEADER_TIMEOUT="2",
        UPLOAD_STALL_TIMEOUT="6",  # a sixth of it is the grace time
        RESPONSE_STALL_TIMEOUT="2",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def shared_service(shared_settings: Settings) -> Iterator[ServiceProcess]:
    """A service that waits for a client on a busy machine, and soon closes once it has answered."""
    with ServiceProcess(
        shared_settings,
        shared_settings.stores.data_dir.parent,
        KEEPALIVE_TIMEOUT="1",
        MAX_JSON_BYTES="100000",
    ) as started:
        yield started


@pytest.fixture
def service(shared_service: ServiceProcess) -> ServiceProcess:
    shared_service.mark()
    return shared_service


def post(path: bytes, *headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    head = b"POST " + path + b" HTTP/" + version + b"\r\n" + HOST
    return head + b"".join(headers) + b"\r\n" + body


def read(response: bytes) -> tuple[int, dict[str, str], Any]:
    """Return (status, headers, problem document) of the last response in ``response``."""
    raw_head, _, body = response[response.rindex(b"HTTP/1.") :].partition(b"\r\n\r\n")
    first, *lines = raw_head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


def refused(response: bytes, status: int, code: str) -> Any:
    found, headers, body = read(response)
    assert (found, body["code"], body["status"]) == (status, code, status), response
    assert headers["content-type"].startswith("application/problem+json")
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    return body


# Slow clients: without timeouts, each of these connections would stay open for ever.


def test_an_idle_connection_is_closed(hasty: ServiceProcess) -> None:
    with hasty.connection() as opened:
        assert read_until_closed(opened) == b""


def test_keep_alive_connection_is_closed_when_idle(service: ServiceProcess) -> None:
    with service.connection() as opened:
        opened.sendall(GET)
        assert read_until_closed(opened).startswith(b"HTTP/1.1 200")


def test_incomplete_head_times_out(hasty: ServiceProcess) -> None:
    assert hasty.send_raw(GET[:-10]) == b""


def test_slow_head_times_out(hasty: ServiceProcess) -> None:
    with hasty.connection() as opened:
        send_slowly(opened, b"GET / HTTP/1.1\r\nX: " + b"a" * 600, 0.1)


def test_slow_head_of_a_second_request_times_out(hasty: ServiceProcess) -> None:
    with hasty.connection() as opened:
        opened.sendall(GET)
        assert opened.recv(65536).startswith(b"HTTP/1.1 200")
        send_slowly(opened, b"GET / HTTP/1.1\r\nX: " + b"a" * 600, 0.1)


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [(b"/blur", FORM, PART), (b"/groups", JSON, b"{"), (b"/subscribe", FORM, b"--x\r\n")],
)
def test_stalled_body_is_refused_and_closed(
    hasty: ServiceProcess, path: bytes, kind: bytes, start: bytes
) -> None:
    response = hasty.send_raw(post(path, kind, b"Content-Length: 90000\r\n", body=start))
    assert "UPLOAD_MIN_RATE" in refused(response, 408, "too_slow")["detail"]


def test_slow_multipart_is_refused_and_closed(hasty: ServiceProcess) -> None:
    with hasty.connection() as opened:
        opened.sendall(post(b"/blur", FORM, b"Content-Length: 90000\r\n"))
        send_slowly(opened, PART + b"a" * 600, 0.1)


def test_empty_chunks_do_not_count_as_progress(hasty: ServiceProcess) -> None:
    """The parser drops chunk extensions: they must not count as received bytes."""
    with hasty.connection() as opened:
        opened.sendall(post(b"/blur", FORM, CHUNKED, body=b"1;"))
        send_slowly(opened, b"a" * 600, 0.1)


@pytest.mark.parametrize("path", [b"/nope", b"/healthz"])
def test_unread_body_is_closed(service: ServiceProcess, path: bytes) -> None:
    response = service.send_raw(post(path, FORM, b"Content-Length: 90000\r\n", body=PART))
    assert read(response)[0] in {404, 405}


def test_fast_upload_must_not_stall_later(settings: Settings, tmp_path: Path) -> None:
    with ServiceProcess(settings, tmp_path, UPLOAD_STALL_TIMEOUT="1") as service:
        start = PART + b"\x89PNG\r\n\x1a\n" + bytes(2_000_000)
        response = service.send_raw(
            post(b"/blur", FORM, b"Content-Length: 9000000\r\n", body=start)
        )
    assert "UPLOAD_STALL_TIMEOUT" in refused(response, 408, "too_slow")["detail"]


def test_client_that_does_not_read_is_disconnected(hasty: ServiceProcess) -> None:
    requests = (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 500
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(60)
        opened.connect(("127.0.0.1", hasty.port))
        with contextlib.suppress(ConnectionError):
            while True:  # a TimeoutError ends the test
                opened.sendall(requests)
        with pytest.raises(ConnectionError):
            opened.sendall(requests)


def test_slow_but_steady_client_gets_the_whole_response(hasty: ServiceProcess) -> None:
    """In total slower than RESPONSE_STALL_TIMEOUT, but never stalled."""
    number = 40
    requests = (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * number
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(60)
        opened.connect(("127.0.0.1", hasty.port))
        opened.sendall(requests)
        assert read_until_closed(opened).count(b"HTTP/1.1 200 OK") == number


# Many connections


def test_connections_of_one_client_are_limited(settings: Settings, tmp_path: Path) -> None:
    with (
        ServiceProcess(settings, tmp_path, MAX_CONNECTIONS_PER_CLIENT="3") as service,
        contextlib.ExitStack() as open_,
    ):
        kept = [open_.enter_context(service.connection()) for _ in range(3)]
        for each in kept:
            each.sendall(GET)
            assert each.recv(65536).startswith(b"HTTP/1.1 200")
        response = service.send_raw(GET)
        body = refused(response, 503, "too_many_connections")
        assert (body["setting"], body["limit"]) == ("MAX_CONNECTIONS_PER_CLIENT", 3)
        assert read(response)[1]["retry-after"] == str(body["retry_after"])
        kept[0].close()  # the next connection is accepted
        while not service.send_raw(
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        ).startswith(b"HTTP/1.1 200"):
            pass
        assert "connections_refused" in {line["event"] for line in service.lines()}


def test_total_connections_are_limited_behind_a_proxy(settings: Settings, tmp_path: Path) -> None:
    few = {"MAX_CONNECTIONS": "3", "MAX_CONNECTIONS_PER_CLIENT": "1", "PROXIES": "1"}
    with ServiceProcess(settings, tmp_path, **few) as service, contextlib.ExitStack() as open_:
        for _ in range(3):
            each = open_.enter_context(service.connection())
            each.sendall(GET)
            assert each.recv(65536).startswith(b"HTTP/1.1 200")
        body = refused(service.send_raw(GET), 503, "too_many_connections")
        assert (body["setting"], body["limit"]) == ("MAX_CONNECTIONS", 3)


def test_event_streams_leave_connections_for_others() -> None:
    s = Settings()
    assert s.limits.events_total < s.limits.max_connections
    assert s.limits.events_per_client < s.limits.max_connections_per_client


class FakeConnection(Connection):
    def __init__(self) -> None: ...


async def test_no_more_connections_than_files(settings: Settings) -> None:
    limiter = ConnectionLimiter(settings.limits, 256 + 2)
    connections = [FakeConnection() for _ in range(103)]
    responses = [limiter.register(each, f"10.0.0.{n}") for n, each in enumerate(connections)]
    assert responses[:2] == [None, None]
    assert all(response and b"503 Service Unavailable" in response for response in responses[2:102])
    assert responses[102] == b""  # a hundred refused clients already get a response
    limiter.unregister(connections[0], "10.0.0.0")
    limiter.unregister(connections[0], "10.0.0.0")
    assert limiter.register(FakeConnection(), "10.0.0.0") is None
    assert limiter.register(FakeConnection(), "10.0.0.1") is not None


async def test_closed_connections_are_not_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the limiter nor aiohttp keeps a connection that either side closed."""
    monkeypatch.setattr("service.http.connection._MAX_HEAD_BYTES", 1024)
    quick = settings.replace(
        keepalive_timeout=0.5, header_timeout=0.3, max_connections_per_client=5
    )
    runner = web.AppRunner(create_app(quick))
    await runner.setup()
    server, limiter = runner.server, ConnectionLimiter(quick.limits, 10_000)
    assert server is not None
    loop = asyncio.get_running_loop()
    port = await loop.create_server(lambda: Connection(limiter, quick.http, server), "127.0.0.1", 0)
    watching = asyncio.create_task(limiter.watch())
    where = port.sockets[0].getsockname()
    large = GET[:-2] + b"X: " + b"a" * 2000
    with contextlib.ExitStack() as open_:
        for sent in (b"GET / HT", large, b"rubbish\r\n\r\n", GET, b"", b"", b"", b""):
            opened = open_.enter_context(socket.create_connection(where))
            opened.sendall(sent)
        socket.create_connection(where).close()
        async with asyncio.timeout(60):
            while len(limiter._open) + len(limiter._refused) == 0:
                await asyncio.sleep(0.01)
            while server.connections or limiter._refused or limiter._open:
                await asyncio.sleep(0.01)
    assert not limiter._slots.clients
    watching.cancel()
    port.close()
    await runner.cleanup()


# Large request heads


@pytest.mark.parametrize(
    ("head", "limit"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 8190),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", 8190),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a" * 9000 + b": x\r\n\r\n", 8190),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", 100),
        (
            post(b"/groups", JSON, CHUNKED, body=b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 200),
            100,
        ),
    ],
    ids=["address", "value", "name", "count", "trailers"],
)
def test_large_heads(service: ServiceProcess, head: bytes, limit: int) -> None:
    assert refused(service.send_raw(head), 431, "head_too_large")["limit"] == limit


def test_total_size_of_a_fragmented_head_is_limited(service: ServiceProcess) -> None:
    with service.connection() as opened:
        opened.sendall(b"GET / HTTP/1.1\r\n" + HOST)
        with contextlib.suppress(ConnectionError):
            for number in range(60):
                opened.sendall(b"X-%d: " % number + b"a" * 1000 + b"\r\n")
        body = refused(read_until_closed(opened), 431, "head_too_large")
    assert body["limit"] == 32768


# Malformed HTTP, or HTTP that two programs may parse differently


@pytest.mark.parametrize(
    "request_",
    [
        post(b"/groups", b"Content-Length: 2\r\nContent-Length: 3\r\n", body=b"{}"),
        post(b"/groups", b"Content-Length: 2\r\nContent-Length: 2\r\n", body=b"{}"),
        post(b"/groups", b"Content-Length: 2\r\n", CHUNKED, body=b"0\r\n\r\n"),
        post(b"/groups", CHUNKED, b"Content-Length: 2\r\n", body=b"0\r\n\r\n"),
        post(b"/groups", CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
        post(b"/groups", b"Transfer-Encoding: xchunked\r\n", body=b"0\r\n\r\n"),
        post(b"/groups", b"Transfer-Encoding: chunked, gzip\r\n", body=b"0\r\n\r\n"),
        post(b"/groups", b"Transfer-Encoding: gzip, chunked\r\n", body=b"0\r\n\r\n"),
        post(b"/groups", CHUNKED, body=b"0\r\n\r\n", version=b"1.0"),
        post(b"/groups", b"Transfer-Encoding : chunked\r\n", body=b"0\r\n\r\n"),
        post(b"/groups", b"Content-Length: -1\r\n", body=b"{}"),
        post(b"/groups", b"Content-Length: +2\r\n", body=b"{}"),
        post(b"/groups", b"Content-Length: 0x2\r\n", body=b"{}"),
        post(b"/groups", b"Content-Length: 99999999999999999999999\r\n", body=b"{}"),
        post(b"/groups", JSON, CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"),
        post(b"/groups", JSON, CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"),
        post(b"/groups", JSON, CHUNKED, body=b"0x2\r\n{}\r\n0\r\n\r\n"),
        post(b"/groups", JSON, CHUNKED, body=b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        post(b"/groups", JSON, CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"),
        post(b"/groups", JSON, CHUNKED, body=b"2\n{}\n0\n\n"),
        b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rSet-Cookie: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        b"GET http://evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
        b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=[
        "two-lengths",
        "one-length-twice",
        "length-and-chunks",
        "chunks-and-length",
        "chunks-twice",
        "unknown-coding",
        "chunked-not-last",
        "coding-before-chunked",
        "chunks-of-http-1.0",
        "space-before-colon-of-coding",
        "negative-length",
        "length-with-plus",
        "length-in-hex",
        "length-of-23-digits",
        "chunk-size-not-a-number",
        "chunk-size-negative",
        "chunk-size-0x",
        "chunk-size-overflow",
        "chunk-longer-than-declared",
        "chunks-by-line-feeds",
        "two-hosts",
        "no-host",
        "folded-header",
        "space-before-colon",
        "nul-in-header",
        "bare-cr-in-header",
        "bare-lf",
        "address-and-host-differ",
        "address-of-raw-bytes",
        "unknown-method",
        "tls",
        "http-2-preface",
    ],
)
def test_ambiguous_requests_are_refused(service: ServiceProcess, request_: bytes) -> None:
    refused(service.send_raw(request_), 400, "bad_request")


@pytest.mark.parametrize("version", [b" HTTP/2.0", b" HTTP/0.9", b""])
def test_other_http_versions_are_refused(service: ServiceProcess, version: bytes) -> None:
    response = service.send_raw(b"GET /operations" + version + b"\r\n" + HOST + b"\r\n")
    assert b'operations":' not in response and b"bad_request" in response


def test_request_inside_a_body_is_not_executed(service: ServiceProcess) -> None:
    """The body of a GET is dropped."""
    inner = b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n"
    response = service.send_raw(
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(inner) + inner
    )
    assert response.count(b"HTTP/1.1 ") == 1 and b"alive" in response


def test_content_length_shorter_than_the_body(service: ServiceProcess) -> None:
    response = service.send_raw(post(b"/groups", JSON, b"Content-Length: 1\r\n", body=b"{}"))
    refused(response, 400, "bad_request")  # the rest of the body is not a request


def test_content_length_far_longer_than_the_body(service: ServiceProcess) -> None:
    response = service.send_raw(
        post(b"/groups", JSON, b"Content-Length: 9999999999999\r\n", body=b"{}")
    )
    body = refused(response, 413, "too_large")
    assert (body["setting"], body["measured"]) == ("MAX_JSON_BYTES", 9999999999999)


def test_a_million_tiny_chunks_are_counted(service: ServiceProcess) -> None:
    """Each body byte takes six bytes on the wire: at most 100,000 body bytes are accepted."""
    chunks = b"1\r\na\r\n" * 1_000_000
    with service.connection() as opened:
        with contextlib.suppress(ConnectionError):
            opened.sendall(post(b"/groups", JSON, CHUNKED) + chunks)
        response = read_until_closed(opened)
    assert response == b"" or refused(response, 413, "too_large")["limit"] == 100_000
    refusals = [line for line in service.lines() if line["event"] == "refused"]
    assert [line["setting"] for line in refusals] == ["MAX_JSON_BYTES"]


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"x-evil"])
@pytest.mark.parametrize(
    ("path", "kind"),
    [(b"/groups", JSON), (b"/blur", FORM), (b"/subscribe", FORM), (b"/nope", JSON)],
)
def test_compressed_body_is_not_decompressed(
    service: ServiceProcess, path: bytes, kind: bytes, coding: bytes
) -> None:
    """A body is never decompressed, so neither invalid data nor a bomb matters."""
    body = b"no gzip at all" * 50
    sent = post(
        path,
        kind,
        b"Content-Encoding: " + coding + b"\r\n",
        b"Content-Length: %d\r\n" % len(body),
        b"Connection: close\r\n",
        body=body,
    )
    status, _, problem = read(service.send_raw(sent))
    assert (status, problem["code"]) in {(400, "bad_request"), (404, "not_found")}
    assert [line for line in service.lines() if line["level"] == "error"] == []


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"TRACE / HTTP/1.1", 405),
        (b"CONNECT evil.example:80 HTTP/1.1", 404),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"OPTIONS / HTTP/1.1", 405),
        (b"PROPFIND / HTTP/1.1", 405),
    ],
)
def test_unused_methods_are_refused(service: ServiceProcess, line: bytes, status: int) -> None:
    secret = b"Cookie: secret\r\n"
    response = service.send_raw(line + b"\r\n" + HOST + secret + b"Connection: close\r\n\r\n")
    assert read(response)[0] == status
    assert b"secret" not in response


def test_upgrade_is_refused(service: ServiceProcess) -> None:
    for to in (b"h2c", b"websocket", b"TLS/1.0"):
        response = service.send_raw(
            GET[:-2] + b"Connection: Upgrade\r\nUpgrade: " + to + b"\r\n\r\n"
        )
        assert response.startswith(b"HTTP/1.1 200") and b"101" not in response.split(b"\r\n")[0]


def test_expect_of_a_body_that_is_too_large(service: ServiceProcess) -> None:
    head = post(b"/groups", JSON, b"Expect: 100-continue\r\nContent-Length: 200000\r\n")
    refused(service.send_raw(head), 413, "too_large")


def test_http_1_0_is_served_and_closed(service: ServiceProcess) -> None:
    assert service.send_raw(b"GET /healthz HTTP/1.0\r\n\r\n").endswith(
        b'{"status": "alive", "version": "%s"}' % VERSION.encode()
    )


def test_hostile_requests_log_no_server_error(service: ServiceProcess) -> None:
    service.send_raw(b"\x00\xff rubbish \r\n\r\n")
    service.send_raw(post(b"/groups", JSON, CHUNKED, body=b"zz\r\n"))
    with service.connection() as opened:
        opened.sendall(post(b"/blur", FORM, b"Content-Length: 900\r\n", body=PART))
    service.send_raw(GET)
    assert {line["level"] for line in service.lines()} <= {"info", "debug"}


def test_reset_event_streams_log_no_server_error(service: ServiceProcess) -> None:
    body = PART.replace(b'"a"', b'"a.png"') + images.png() + b"\r\n--x--\r\n"
    length = b"Content-Length: %d\r\n" % len(body)
    close = b"Connection: close\r\n"
    response = service.send_raw(post(b"/grayscale", FORM, close, length, body=body))
    task_id = json.loads(response.partition(b"\r\n\r\n")[2])["task_id"]
    for _ in range(40):
        with service.connection() as opened:
            opened.sendall(b"GET /tasks/%s/events HTTP/1.1\r\n%s\r\n" % (task_id.encode(), HOST))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    service.send_raw(GET)
    assert {line["level"] for line in service.lines()} <= {"info", "debug"}
