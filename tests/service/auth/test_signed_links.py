"""Signed links: what they open, for how long, and that nothing about them can be changed."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from models.auth.api_key import Scope
from models.auth.signed_links import SignedLink
from models.auth.tokens import Tokens
from models.outbox.email import Email, EmailKind
from models.settings import Settings
from service.app_keys import TOKENS
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Door, Opened, Shown
from tests.support.task_factory import RESULT, finish
from workers.mail.archive_email import archive_content
from workers.mail.context import MailContext

NAME = "cat-thumbnail-100x100.png"


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Opened:
    return api_key_clients.opening(settings, aiohttp_client)


async def done(door: Door, shown: Shown) -> str:
    """Return the id of a finished task of a key."""
    task_id: str = (await door.send(shown, images.png(60, 40, seed=7)))["task_id"]
    await finish(door.store, task_id)
    return task_id


async def linked(door: Door, shown: Shown, path: str, query: str = "") -> str:
    status, body = await door.ask("POST", f"{path}/link{query}", shown)
    assert status == 200, body
    assert body["link"] == door.settings.base_url + body["url"]
    url: str = body["url"]
    return url


def changed(url: str, **update: str | None) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **update}
    return f"{parts.path}?{urlencode({k: v for k, v in query.items() if v is not None})}"


async def test_a_link_opens_a_result_without_a_key(opened: Opened) -> None:
    door = await opened()
    ann = await door.key()
    await done(door, ann)
    url = await linked(door, ann, f"/processed/{NAME}", "?seconds=600")
    response = await door.client.get(url)
    assert (response.status, await response.read()) == (200, RESULT)
    assert response.headers["Content-Disposition"].startswith("inline")
    directives = response.headers["Cache-Control"].split(", ")
    assert directives[0] == "private" and 0 < int(directives[1].partition("=")[2]) <= 600
    assert (await door.client.get(url, headers={"Range": "bytes=0-3"})).status == 206
    etag = {"If-None-Match": response.headers["ETag"]}
    assert (await door.client.get(url, headers=etag)).status == 304
    assert (await door.client.head(url)).status == 200
    saved = await linked(door, ann, f"/processed/{NAME}", "?download=1")
    response = await door.client.get(saved)
    assert response.headers["Content-Disposition"].startswith("attachment")
    # By an upload's name: to the result that is its newest now.
    by_upload = await linked(door, ann, "/processed/cat.png")
    assert urlsplit(by_upload).path == f"/processed/{NAME}"
    # With another's key, or a void one, the link opens no less.
    bob = await door.key()
    assert (await door.ask("GET", url, bob))[0] == 200


async def test_changed_link_is_refused(opened: Opened) -> None:
    door = await opened()
    ann, bob = await door.key(), await door.key()
    task_id = await done(door, ann)
    await done(door, bob)
    url = await linked(door, ann, f"/processed/{NAME}")
    signature = dict(parse_qsl(urlsplit(url).query))["signature"]
    expires = int(dict(parse_qsl(urlsplit(url).query))["expires"])
    forged = [
        changed(url, expires=str(expires + 1)),
        changed(url, expires=f"0{expires}"),
        changed(url, expires=f"+{expires}"),
        changed(url, expires="٣" * 10),
        changed(url, expires=""),
        changed(url, expires="9" * 400),
        changed(url, owner=bob.key.id),
        changed(url, owner=""),
        changed(url, owner="$ne"),
        changed(url, owner="\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
        changed(url, owner=None),
        changed(url, download="1"),
        changed(url, download="2"),
        changed(url, wait="1"),
        changed(url, signature=signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        changed(url, signature=""),
        changed(url, signature=signature.upper() if signature.upper() != signature else "a"),
        changed(url, signature="é" * 64),
        changed(url.replace(NAME, "cat.png")),
        changed(url.replace(f"/processed/{NAME}", f"/status/{task_id}/archive")),
    ]
    for each in forged:
        status, body = await door.ask("GET", each)
        if each == changed(url, expires=f"0{expires}"):
            # The same moment, and the same bytes: the number is what is signed.
            assert status == 200
            continue
        assert (status, body["code"]) == (403, "forbidden"), each
    # What is signed for a link is signed for nothing else.
    for method, path in (("DELETE", f"/processed/{NAME}"), ("GET", f"/tasks/{task_id}")):
        status, _ = await door.ask(method, f"{path}?{urlsplit(url).query}")
        assert status == 401
    assert (await door.ask("GET", url))[0] == 200


async def test_a_link_expires(opened: Opened) -> None:
    door = await opened(rate_limits="on", rate_limit_auth_failures="1/hour")
    ann = await door.key()
    await done(door, ann)
    tokens: Tokens = door.client.app[TOKENS]
    old = SignedLink(f"/processed/{NAME}", ann.key.id, int(time.time()) - 1).signed_url(tokens, 0)
    for _ in range(3):  # to come late is no try at guessing
        status, body = await door.ask("GET", old)
        assert (status, body["code"]) == (403, "link_expired")
    assert body["expired_at"] and "expired at" in body["detail"]


async def test_longest_and_shortest_link(opened: Opened) -> None:
    door = await opened(link_ttl_max=1000)
    ann = await door.key()
    await done(door, ann)
    for given in ("0", "-1", "1001", "1e3", "1.5", "", "9" * 30):
        status, body = await door.ask("POST", f"/processed/{NAME}/link?seconds={given}", ann)
        assert (status, body["code"]) == (422, "bad_parameter"), given
        assert body["limit"] == 1000
    assert await linked(door, ann, f"/processed/{NAME}", "?seconds=1000")


@pytest.mark.parametrize("void", ["revoke", "rotate"])
async def test_links_of_a_revoked_key_are_refused(opened: Opened, void: str) -> None:
    door = await opened(key_cache_seconds=0)
    ann = await door.key()
    task_id = await done(door, ann)
    urls = [
        await linked(door, ann, f"/processed/{NAME}"),
        await linked(door, ann, f"/status/{task_id}/archive"),
    ]
    for url in urls:
        assert (await door.ask("GET", url))[0] == 200
    await getattr(door.store.api_keys, void)(ann.key.id)
    for url in urls:
        status, body = await door.ask("GET", url)
        assert (status, body["code"]) == (403, "forbidden")


async def test_archive_link_opens_only_its_archive(opened: Opened) -> None:
    door = await opened()
    ann = await door.key()
    task_id = await done(door, ann)
    other = (await door.send(ann, images.png(31, 20, seed=2)))["task_id"]
    await finish(door.store, other)
    url = await linked(door, ann, f"/status/{task_id}/archive")
    response = await door.client.get(url)
    assert response.status == 200 and response.content_type == "application/zip"
    assert (await response.read())[:2] == b"PK"
    assert (await door.ask("GET", url.replace(task_id, other)))[0] == 403


async def test_link_needs_the_read_scope(opened: Opened) -> None:
    door = await opened()
    ann, bob, admin = await door.key(), await door.key(), await door.key(Scope.ADMIN)
    blind = await door.key(Scope.SUBMIT)
    await done(door, ann)
    path = f"/processed/{NAME}/link"
    assert (await door.ask("POST", path))[0] == 401
    assert (await door.ask("POST", path, blind))[0] == 403
    assert (await door.ask("POST", path, bob))[0] == 404
    status, body = await door.ask("POST", f"{path}?owner={ann.key.id}", admin)
    assert status == 200
    assert (await door.ask("GET", body["url"]))[0] == 200


async def test_link_in_an_email_is_signed(opened: Opened) -> None:
    door = await opened(max_attachment_bytes=0, public_url="https://pictures.example.org")
    ann = await door.key()
    form = images.form(images.png(60, 40, seed=7), "cat.png", email="ann@example.org")
    _, body = await door.ask("POST", "/thumbnail", ann, data=form)
    await finish(door.store, body["task_id"])
    status, _ = await door.ask("POST", f"/send_images/{body['group_id']}", ann)
    assert status == 202
    (document,) = [each async for each in door.store._database["mail"].find()]
    letter = Email.model_validate(document)
    assert letter.kind is EmailKind.ARCHIVE
    desk = MailContext(door.settings, door.store, door.client.app[TOKENS])
    content = await archive_content(desk, letter)
    (link,) = [word for word in content.text.split() if "/archive?" in word]
    assert link.startswith("https://pictures.example.org/status/")
    response = await door.client.get(link.removeprefix("https://pictures.example.org"))
    assert response.status == 200 and (await response.read())[:2] == b"PK"
