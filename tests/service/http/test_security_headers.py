"""Security headers of responses."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from service.app import create_app
from tests.conftest import Client
from tests.support import images

HTML = {"Accept": "text/html"}
STRICT_CSP = "default-src 'none'; frame-ancestors 'none'; sandbox"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/operations", 200),
        ("/openapi.json", 200),
        ("/healthz", 200),
        ("/static/api.js", 200),
        ("/tasks/x", 404),
        ("/nope", 404),
        ("/blur", 405),
        ("/", 200),
    ],
)
async def test_headers_of_every_response(client: Client, path: str, status: int) -> None:
    response = await client.get(path)
    assert response.status == status
    headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == STRICT_CSP
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Server" not in headers and "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("path", ["/", "/docs", "/dashboard", "/subscribe/confirm"])
async def test_headers_of_pages(client: Client, path: str) -> None:
    response = await client.get(path, headers=HTML)
    assert response.content_type == "text/html"
    headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    # Not no-referrer: browsers would send Origin: null, as sandboxed frames of other sites do.
    assert headers["Referrer-Policy"] in {"same-origin", "strict-origin"}


async def test_polyglot_image_is_served_as_an_image(client: Client, worker: Any) -> None:
    """The original contains a script and is called .html; the served image has neither."""
    data = images.png() + b"<html><script>alert(1)</script></html>"
    form = images.form(data, "page.html")
    task = await (await client.post("/grayscale?wait=60", data=form)).json()
    assert task["url"] == "/processed/page-grayscale.png"
    response = await client.get(task["url"], headers=HTML)
    assert (response.status, response.content_type) == (200, "image/png")
    assert b"<script>" not in await response.read()
    assert response.headers["Content-Security-Policy"] == STRICT_CSP
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    # Other sites may embed it with <img>, not in a frame.
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["X-Frame-Options"] == "DENY"
    cached = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get(task["url"], headers=cached)).headers[
        "Content-Security-Policy"
    ] == STRICT_CSP


async def test_hsts_only_over_https(settings: Settings, aiohttp_client: Any) -> None:
    secure = {"public_url": "https://pictures.example.org"}
    client = await aiohttp_client(create_app(settings.replace(**secure)))
    hsts = (await client.get("/healthz")).headers["Strict-Transport-Security"]
    assert hsts == "max-age=31536000"
    client = await aiohttp_client(create_app(settings.replace(**{**secure, "hsts_seconds": 0})))
    assert "Strict-Transport-Security" not in (await client.get("/healthz")).headers
