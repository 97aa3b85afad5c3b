"""Signed links: what they open, for how long, and that changed ones are refused."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from models.auth.api_key import Scope
from models.auth.signed_links import SignedLink
from models.auth.tokens import SKEW_SECONDS, Tokens
from models.outbox.email import Email, EmailKind
from models.settings import Settings
from service.app_keys import TOKENS
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Credentials, KeyedService, StartService
from tests.support.task_factory import RESULT, finish
from workers.mail.archive_email import archive_content
from workers.mail.message import MailContext

NAME = "cat-thumbnail-100x100.png"


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    return api_key_clients.service_starter(settings, aiohttp_client)


async def finished_task(service: KeyedService, credentials: Credentials) -> str:
    """Return the id of a finished task of the key."""
    task_id: str = (await service.send(credentials, images.png(60, 40, seed=7)))["task_id"]
    await finish(service.store, task_id)
    return task_id


async def make_link(
    service: KeyedService, credentials: Credentials, path: str, query: str = ""
) -> str:
    status, body = await service.request("POST", f"{path}/link{query}", credentials)
    assert status == 200, body
    assert body["link"] == service.settings.http.base_url + body["url"]
    url: str = body["url"]
    return url


def changed(url: str, **update: str | None) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **update}
    return f"{parts.path}?{urlencode({k: v for k, v in query.items() if v is not None})}"


async def test_a_link_opens_a_result_without_a_key(start_service: StartService) -> None:
    service = await start_service()
    ann = await service.key()
    await finished_task(service, ann)
    url = await make_link(service, ann, f"/processed/{NAME}", "?seconds=600")
    response = await service.client.get(url)
    assert (response.status, await response.read()) == (200, RESULT)
    assert response.headers["Content-Disposition"].startswith("inline")
    directives = response.headers["Cache-Control"].split(", ")
    assert directives[0] == "private" and 0 < int(directives[1].partition("=")[2]) <= 600
    assert (await service.client.get(url, headers={"Range": "bytes=0-3"})).status == 206
    etag = {"If-None-Match": response.headers["ETag"]}
    assert (await service.client.get(url, headers=etag)).status == 304
    assert (await service.client.head(url)).status == 200
    saved = await make_link(service, ann, f"/processed/{NAME}", "?download=1")
    response = await service.client.get(saved)
    assert response.headers["Content-Disposition"].startswith("attachment")
    # The name of an upload links to its newest result.
    by_upload = await make_link(service, ann, "/processed/cat.png")
    assert urlsplit(by_upload).path == f"/processed/{NAME}"
    # Another key in the request does not matter.
    bob = await service.key()
    assert (await service.request("GET", url, bob))[0] == 200


async def test_changed_link_is_refused(start_service: StartService) -> None:
    service = await start_service()
    ann, bob = await service.key(), await service.key()
    task_id = await finished_task(service, ann)
    await finished_task(service, bob)
    url = await make_link(service, ann, f"/processed/{NAME}")
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
        status, body = await service.request("GET", each)
        if each == changed(url, expires=f"0{expires}"):
            # The same number, and the number is signed: the link is valid.
            assert status == 200
            continue
        assert (status, body["code"]) == (403, "forbidden"), each
    # The signature of a link is valid for nothing else.
    for method, path in (("DELETE", f"/processed/{NAME}"), ("GET", f"/tasks/{task_id}")):
        status, _ = await service.request(method, f"{path}?{urlsplit(url).query}")
        assert status == 401
    assert (await service.request("GET", url))[0] == 200


async def test_a_link_expires(start_service: StartService) -> None:
    service = await start_service(rate_limits="on", rate_limit_auth_failures="1/hour")
    ann = await service.key()
    await finished_task(service, ann)
    tokens: Tokens = service.client.app[TOKENS]
    end = int(time.time()) - SKEW_SECONDS
    recent, old = [
        SignedLink(f"/processed/{NAME}", ann.key.id, each).signed_url(tokens, 0)
        for each in (end + 30, end - 1)
    ]
    assert (await service.request("GET", recent))[0] == 200  # the skew that docs/keys.md states
    for _ in range(3):  # expired links do not count as failures
        status, body = await service.request("GET", old)
        assert (status, body["code"]) == (403, "link_expired")
    assert body["expired_at"] and "expired at" in body["detail"]


async def test_longest_and_shortest_link(start_service: StartService) -> None:
    service = await start_service(link_ttl_max=1000)
    ann = await service.key()
    await finished_task(service, ann)
    for given in ("0", "-1", "1001", "1e3", "1.5", "", "9" * 30):
        status, body = await service.request("POST", f"/processed/{NAME}/link?seconds={given}", ann)
        assert (status, body["code"]) == (422, "bad_parameter"), given
        assert body["limit"] == 1000
    assert await make_link(service, ann, f"/processed/{NAME}", "?seconds=1000")


@pytest.mark.parametrize("void", ["revoke", "rotate"])
async def test_links_of_a_revoked_key_are_refused(
    start_service: StartService, void: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.auth.authenticator._KEY_CACHE_SECONDS", 0)
    service = await start_service()
    ann = await service.key()
    task_id = await finished_task(service, ann)
    urls = [
        await make_link(service, ann, f"/processed/{NAME}"),
        await make_link(service, ann, f"/status/{task_id}/archive"),
    ]
    for url in urls:
        assert (await service.request("GET", url))[0] == 200
    await getattr(service.store.api_keys, void)(ann.key.id)
    for url in urls:
        status, body = await service.request("GET", url)
        assert (status, body["code"]) == (403, "forbidden")


async def test_archive_link_opens_only_its_archive(start_service: StartService) -> None:
    service = await start_service()
    ann = await service.key()
    task_id = await finished_task(service, ann)
    other = (await service.send(ann, images.png(31, 20, seed=2)))["task_id"]
    await finish(service.store, other)
    url = await make_link(service, ann, f"/status/{task_id}/archive")
    response = await service.client.get(url)
    assert response.status == 200 and response.content_type == "application/zip"
    assert (await response.read())[:2] == b"PK"
    assert (await service.request("GET", url.replace(task_id, other)))[0] == 403


async def test_link_needs_the_read_scope(start_service: StartService) -> None:
    service = await start_service()
    ann, bob, admin = await service.key(), await service.key(), await service.key(Scope.ADMIN)
    submit_only = await service.key(Scope.SUBMIT)
    await finished_task(service, ann)
    path = f"/processed/{NAME}/link"
    assert (await service.request("POST", path))[0] == 401
    assert (await service.request("POST", path, submit_only))[0] == 403
    assert (await service.request("POST", path, bob))[0] == 404
    status, body = await service.request("POST", f"{path}?owner={ann.key.id}", admin)
    assert status == 200
    assert (await service.request("GET", body["url"]))[0] == 200


async def test_link_in_an_email_is_signed(start_service: StartService) -> None:
    service = await start_service(max_attachment_bytes=0, public_url="https://pictures.example.org")
    ann = await service.key()
    form = images.form(images.png(60, 40, seed=7), "cat.png", email="ann@example.org")
    _, body = await service.request("POST", "/thumbnail", ann, data=form)
    await finish(service.store, body["task_id"])
    status, _ = await service.request("POST", f"/send_images/{body['group_id']}", ann)
    assert status == 202
    (document,) = [each async for each in service.store._database["mail"].find()]
    email = Email.model_validate(document)
    assert email.kind is EmailKind.ARCHIVE
    context = MailContext(service.settings, service.store, service.client.app[TOKENS])
    content = await archive_content(context, email)
    (link,) = [word for word in content.text.split() if "/archive?" in word]
    assert link.startswith("https://pictures.example.org/status/")
    response = await service.client.get(link.removeprefix("https://pictures.example.org"))
    assert response.status == 200 and (await response.read())[:2] == b"PK"
