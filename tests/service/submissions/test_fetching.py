"""Pictures by image_url: fetched from a server of the test's own, judged as all URLs and uploads.

No public address is named: where one would be called, the test says that loopback is allowed, or
looks that nothing arrived.
"""

from __future__ import annotations

import asyncio
import errno
import json
from typing import Any

import pytest
from aiohttp import web

from models.settings import Settings
from service.app import create_app
from service.http import paced_reading
from service.submissions import fetching as fetching_module
from service.uploads.disk_space import DISK_SPACE
from service.uploads.spool import SpooledFile
from tests.service.uploads.test_incoming_file import refused
from tests.support import images
from tests.support.webhook_receiver import (
    DnsServer,
    Receiver,
    names,
    receiver,
    run_receiver,
    webhook_settings,
)
from tests.workers.queue.test_jobs import wait_until

__all__ = ["names", "receiver"]  # fixtures

PNG, JPEG = images.png(9, 7), images.jpeg(9, 7)


def answer(data: bytes = PNG, status: int = 200, headers: Any = None) -> web.Response:
    return web.Response(body=data, status=status, headers=headers)


def redirect(where: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": where})


@pytest.fixture
async def fetching(settings: Settings, aiohttp_client: Any, receiver: Receiver) -> Any:
    """A client of a service that may fetch from ``receiver``."""
    return await aiohttp_client(create_app(webhook_settings(settings, receiver)))


async def submit(client: Any, *urls: str, path: str = "/blur", **fields: Any) -> Any:
    return await client.post(path, json={"image_url": list(urls), **fields})


async def task(client: Any, *urls: str, **fields: Any) -> Any:
    response = await submit(client, *urls, **fields)
    body = await response.json()
    assert response.status == 202, body
    return body


async def test_it_is_the_task_of_the_same_bytes(fetching: Any, receiver: Receiver) -> None:
    sent = await (await fetching.post("/blur", data=images.form(PNG, "cat.png"))).json()
    url = f"http://127.0.0.1:{receiver.port}/a/c%C3%A4t.png?key=1"
    form = images.form(JPEG, "dog.jpg")
    form.add_field("image_url", url)
    form.add_field("image_url", "")
    bodies = (
        {"json": {"image_url": url}},
        {"data": {"image_url": url}},  # urlencoded, as curl -d sends it
        {"json": {"image_url": [url]}},
    )
    for body in bodies:
        receiver.responses.append(answer())
        found = await (await fetching.post("/blur", **body)).json()
        assert (found["task_id"], found["name"]) == (sent["task_id"], "cät.png")
    receiver.responses.append(answer())
    both = await (await fetching.post("/blur", data=form)).json()
    assert [each["name"] for each in both["tasks"]] == ["dog.jpg", "cät.png"]
    assert both["tasks"][1]["task_id"] == sent["task_id"]
    headers, _ = receiver.calls[0]
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer", "webhook-signature"} & set(headers)
    assert receiver.paths == ["/a/c%C3%A4t.png?key=1"] * 4


async def test_all_calls_that_take_image_take_it(fetching: Any, receiver: Receiver) -> None:
    for path, fields in (
        ("/convert", {"format": "webp"}),
        ("/process", {"operations": ["resize=2", "blur"]}),
        ("/upscale", {"filename": None}),
    ):
        receiver.responses.append(answer())
        assert (await task(fetching, receiver.url, path=path, **fields))["name"] == "hook"
    receiver.responses.append(answer())
    path = f"/blur?image_url={receiver.url}&filename=a.png"
    group = await (await fetching.put(path, data=JPEG)).json()
    assert [each["name"] for each in group["tasks"]] == ["a.png", "hook"]


async def test_the_name_is_that_of_the_server_where_it_says_one(
    fetching: Any, receiver: Receiver
) -> None:
    for said, name in (
        ('attachment; filename="holiday.png"', "holiday.png"),
        ("attachment; filename*=UTF-8''h%C3%B6he.png", "höhe.png"),
        ('inline; filename="../../etc/passwd"', "passwd"),
        ("inline", "hook"),
    ):
        receiver.responses.append(answer(headers={"Content-Disposition": said}))
        assert (await task(fetching, receiver.url))["name"] == name


async def test_a_group_keeps_its_order_and_each_fails_alone(
    fetching: Any, receiver: Receiver
) -> None:
    async def by_path(request: web.Request) -> web.StreamResponse:
        number = int(request.path.rpartition("/")[2])
        return answer(images.png(9, 9, seed=number), 404 if number == 3 else 200)

    receiver.responses += [by_path] * 9
    async with run_receiver() as other:
        # Its port is not allowed.
        urls = [f"http://127.0.0.1:{receiver.port}/{number}" for number in range(9)]
        group = await task(fetching, *urls, f"http://127.0.0.1:{other.port}/9")
    assert other.calls == []
    assert [each["name"] for each in group["tasks"]] == [*"0123456789"]
    codes = [(each["error"] or {}).get("code") for each in group["tasks"]]
    assert codes == [None] * 3 + ["bad_image_url"] + [None] * 5 + ["bad_image_url"]
    assert group["tasks"][3]["error"]["measured"] == 404


async def test_redirects_are_followed_and_each_is_judged(fetching: Any, receiver: Receiver) -> None:
    for status in (301, 302, 303, 307, 308):
        receiver.responses += [redirect("/other/cat.png#part", status), answer()]
        assert (await task(fetching, receiver.url))["name"] == "hook"
    assert receiver.paths[1] == "/other/cat.png"
    for where, said in (
        ("http://169.254.169.254/latest/", "not a public address"),
        ("http://[::1]:80/", "not a public address"),
        ("http://127.0.0.1:22/", "its port is 22"),
        ("file:///etc/passwd", "does not begin with https:// or http://"),
        ("//user:sesame@localhost/", "user name or password"),
        ("http://[", "not a URL"),
    ):
        receiver.responses.append(redirect(where))
        body = await refused(await submit(fetching, receiver.url), 422, "bad_image_url")
        assert said in body["detail"] and "redirect" in body["detail"]
        assert "sesame" not in body["detail"]
    receiver.responses += [redirect("/again") for _ in range(6)]
    body = await refused(await submit(fetching, receiver.url), 422, "bad_image_url")
    assert (body.get("limit"), receiver.responses) == (5, []), body


@pytest.mark.parametrize(
    ("response", "status", "code", "said"),
    [
        (answer(b"<!DOCTYPE html><p>"), 415, "unsupported_format", "at this image_url the format"),
        (answer(b"RIFF1234WEBPVP8 "), 415, "unsupported_format", "WebP"),
        (answer(b""), 400, "bad_request", "empty"),
        (answer(PNG[:20]), 422, "bad_image", ""),
        (answer(status=404), 422, "bad_image_url", "answered 404"),
        (answer(status=206), 422, "bad_image_url", "answered 206"),
        (redirect("/", 304), 422, "bad_image_url", "answered 304"),
        (answer(status=500), 422, "bad_image_url", "answered 500"),
        (answer(headers={"Content-Encoding": "gzip"}), 422, "bad_image_url", "sent it compressed"),
    ],
)
async def test_answers_without_a_picture(
    response: web.Response, status: int, code: str, said: str, fetching: Any, receiver: Receiver
) -> None:
    receiver.responses.append(response)
    body = await refused(await submit(fetching, receiver.url), status, code)
    assert said in body["detail"]


async def test_urls_that_are_never_fetched(fetching: Any, receiver: Receiver) -> None:
    for url, said in (
        ("ftp://127.0.0.1/cat.png", "does not begin with https:// or http://"),
        ("cat.png", "does not begin"),
        (f"http://10.0.0.1:{receiver.port}/", "not a public address"),
        (f"http://2130706433:{receiver.port}/", "neither a name nor a plain address"),
        (f"http://[::ffff:10.0.0.1]:{receiver.port}/", "not a public address"),
        (f"http://ann:sesame@127.0.0.1:{receiver.port}/", "user name or password"),
        (f"{receiver.url}#part", "fragment"),
        (f"{receiver.url}?{'a' * 2000}", "2000 are allowed"),
    ):
        body = await refused(await submit(fetching, url), 422, "bad_image_url")
        assert said in body["detail"] and body["parameter"] == "image_url"
        assert "sesame" not in body["detail"]
    assert receiver.calls == []


async def test_names_with_private_addresses_are_not_fetched(
    settings: Settings, aiohttp_client: Any, receiver: Receiver, names: tuple[DnsServer, str]
) -> None:
    """Rebinding, too: the address that was checked is the one that is called."""
    dns_server, nameserver = names
    dns_server.answers["pictures.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    dns_server.answers["mixed.example"] = [["127.0.0.1", "169.254.169.254"]]
    chosen = webhook_settings(
        settings, receiver, webhook_nameservers=nameserver, webhook_allowed_networks="127.0.0.1/32"
    )
    client = await aiohttp_client(create_app(chosen))
    receiver.responses.append(answer())
    await task(client, f"http://pictures.example:{receiver.port}/a.png")
    assert len(dns_server.queries) == 2
    assert len(receiver.calls) == 1
    for name, said in (
        ("pictures.example", "not public"),
        ("mixed.example", "not public"),
        ("nowhere.example", "its host name has no address"),
    ):
        url = f"http://{name}:{receiver.port}/a.png"
        body = await refused(await submit(client, url), 422, "bad_image_url")
        assert said in body["detail"]
        assert not {"10.0.0.1", "169.254.169.254"} & set(body["detail"].split())
    assert len(receiver.calls) == 1


async def test_bytes_are_counted_as_they_come(
    settings: Settings, aiohttp_client: Any, receiver: Receiver
) -> None:
    chosen = webhook_settings(settings, receiver, max_upload_bytes=20_000, max_batch_bytes=50_000)
    client = await aiohttp_client(create_app(chosen))
    start = b"\x89PNG\r\n\x1a\n"

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(start + b"1" * 10_000)
        return response

    receiver.responses.append(answer(start.ljust(20_001, b"1")))  # said by its Content-Length
    body = await refused(await submit(client, receiver.url), 413, "too_large")
    assert (body["setting"], body["measured"]) == ("MAX_UPLOAD_BYTES", 20_001)
    receiver.responses.append(endless)
    body = await refused(await submit(client, receiver.url), 413, "too_large")
    assert body["setting"] == "MAX_UPLOAD_BYTES"
    noise = images.png(80, 100)
    assert 12_500 < len(noise) < 20_000
    receiver.responses += [answer(noise) for _ in range(4)]
    group = await task(client, *[receiver.url] * 4)
    codes = [(each["error"] or {}).get("code") for each in group["tasks"]]
    assert sorted(map(str, codes)) == ["None"] * 3 + ["too_large"]
    assert client.app[DISK_SPACE].spooled_bytes == 0


async def drips(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(PNG[:30])
    while True:  # never still, and never done
        await response.write(b"1")
        await asyncio.sleep(0.02)


async def test_slow_servers_end(
    settings: Settings, aiohttp_client: Any, receiver: Receiver
) -> None:
    fast = {"webhook_timeout": 0.2, "upload_stall_timeout": 0.2, "upload_timeout": 0.5}
    client = await aiohttp_client(create_app(webhook_settings(settings, receiver, **fast)))

    async def stalls(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PNG[:30])
        await asyncio.Event().wait()
        return response

    receiver.hold = asyncio.Event()
    body = await refused(await submit(client, receiver.url), 422, "bad_image_url")
    assert "took too long" in body["detail"] and "WEBHOOK_TIMEOUT" in body["detail"]
    receiver.hold = None
    for handler in (stalls, drips):
        receiver.responses.append(handler)
        body = await refused(await submit(client, receiver.url), 422, "bad_image_url")
        assert "took too long" in body["detail"]


async def test_a_connection_that_is_cut(fetching: Any, receiver: Receiver) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(PNG[:30])
        assert request.transport is not None
        request.transport.close()
        return response

    receiver.responses.append(cut)
    body = await refused(await submit(fetching, receiver.url), 422, "bad_image_url")
    assert "connection to its server failed" in body["detail"]


async def test_a_server_that_drips_is_given_up(
    settings: Settings, aiohttp_client: Any, receiver: Receiver
) -> None:
    """As an upload: never still, and long before UPLOAD_TIMEOUT."""
    slow = {"upload_min_rate": 100_000, "upload_stall_timeout": 0.6, "upload_timeout": 600}
    client = await aiohttp_client(create_app(webhook_settings(settings, receiver, **slow)))

    receiver.responses.append(drips)
    body = await refused(await submit(client, receiver.url), 422, "bad_image_url")
    assert "100000 bytes a second or more (UPLOAD_MIN_RATE)" in body["detail"]


async def test_nothing_is_fetched_for_a_client_that_is_gone(
    settings: Settings, aiohttp_client: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching_module, "_WATCH_SECONDS", 0.01)
    chosen = webhook_settings(settings, receiver, webhook_timeout=600)
    client = await aiohttp_client(create_app(chosen))
    receiver.hold = asyncio.Event()
    body = json.dumps({"image_url": [receiver.url] * 6}).encode()
    head = "POST /blur HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def four_have_begun() -> bool:
        return receiver.concurrent == 4

    async def none_goes_on() -> bool:
        return receiver.concurrent == 0

    await wait_until(four_have_begun)
    writer.close()
    await wait_until(none_goes_on)
    assert len(receiver.calls) == 4
    assert client.app[DISK_SPACE].spooled_bytes == 0


async def test_a_full_disk_is_no_fault_of_the_url(
    fetching: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SpooledFile, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpooledFile, "write", full)
    receiver.responses.append(answer())
    body = await refused(await submit(fetching, receiver.url), 503, "no_room")
    assert "image_url" not in body["detail"]


async def test_costly_answers_take_turns(
    fetching: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read waits for its turn here, and all bytes come."""
    turns = []

    def take(self: paced_reading.Turns, now: float, cost: float) -> float:
        turns.append(cost)
        return now

    monkeypatch.setattr(paced_reading, "_CHEAP_SECONDS", 0)
    monkeypatch.setattr(paced_reading.Turns, "take", take)
    noise = images.png(80, 100)

    async def crumbs(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for at in range(0, len(noise), 7):
            await response.write(noise[at : at + 7])
        return response

    receiver.responses.append(crumbs)
    found = await task(fetching, receiver.url)
    sent = await (await fetching.post("/blur", data=images.form(noise, "cat.png"))).json()
    assert found["task_id"] == sent["task_id"]
    assert turns


async def test_one_client_has_eight_at_once(fetching: Any, receiver: Receiver) -> None:
    """Four of a submission; the others wait, and all come in the end."""
    receiver.hold = asyncio.Event()
    receiver.responses += [answer() for _ in range(20)]
    sent = [asyncio.create_task(submit(fetching, *[receiver.url] * 5)) for _ in range(4)]

    async def eight_have_begun() -> bool:
        return receiver.concurrent == 8

    await wait_until(eight_have_begun)
    for _ in range(3):  # none of the waiting ones begins
        await fetching.get("/healthz")
    assert receiver.concurrent == 8
    receiver.hold.set()
    groups = [await (await each).json() for each in sent]
    assert [group["total"] for group in groups] == [5] * 4
    assert len({task["task_id"] for group in groups for task in group["tasks"]}) == 1
    assert (receiver.max_concurrent, len(receiver.calls)) == (8, 20)


async def test_it_may_be_off_and_is_limited(
    settings: Settings, aiohttp_client: Any, receiver: Receiver
) -> None:
    for off in ({"fetch_urls": "off"}, {"host": "0.0.0.0", "allow_anonymous": True}):
        chosen = webhook_settings(settings, receiver, **off)
        assert not chosen.fetch_urls_enabled
        client = await aiohttp_client(create_app(chosen))
        body = await refused(await submit(client, receiver.url), 422, "bad_image_url")
        assert body["setting"] == "FETCH_URLS"
    limited = webhook_settings(settings, receiver, webhooks_per_client=3, max_batch=3)
    client = await aiohttp_client(create_app(limited))
    body = await refused(await submit(client, *[receiver.url] * 4), 400, "bad_request")
    assert body["setting"] == "MAX_BATCH"
    receiver.responses += [answer(), answer()]
    await task(client, *[receiver.url] * 2)
    body = await refused(await submit(client, *[receiver.url] * 2), 429, "rate_limited")
    assert body["setting"] == "WEBHOOKS_PER_CLIENT"
    assert len(receiver.calls) == 2


async def test_the_older_calls_take_no_url(fetching: Any, receiver: Receiver) -> None:
    form = images.form(PNG, "a.png", image_url=receiver.url)
    form._fields[1][0]["name"] = "uploaded_file"
    body = await refused(await fetching.post("/convert/", data=form), 422, "bad_parameter")
    assert "unknown field 'image_url'" in body["detail"]
    assert (await fetching.post("/convert/", data={"image_url": receiver.url})).status == 400
    assert receiver.calls == []


def test_the_setting() -> None:
    settings = Settings()
    assert settings.fetch_urls_enabled
    assert not settings.replace(api_keys="on").fetch_urls_enabled
    assert not settings.replace(host="0.0.0.0").fetch_urls_enabled
    assert settings.replace(host="0.0.0.0", fetch_urls="on").fetch_urls_enabled
