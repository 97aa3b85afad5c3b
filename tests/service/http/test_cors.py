"""CORS and CSRF: pages of listed origins may call the API, pages of other sites may not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from models.settings import Settings
from service.app import create_app
from tests.conftest import Client
from tests.support import images

SHOP, OTHER = "https://shop.example.org", "http://localhost:3000"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}
FOREIGN_ORIGINS = [
    "https://evil.example",
    "http://shop.example.org",
    "https://shop.example.org:444",
    "https://shop.example.org.evil.example",
    "https://x.shop.example.org",
    "https://evil.example/https://shop.example.org",
    "HTTPS://SHOP.EXAMPLE.ORG",
    "https://shop.example.org,https://evil.example",
    "null",
    "*",
    "",
]


@pytest.fixture
async def open_client(settings: Settings, aiohttp_client: Any) -> Client:
    app = create_app(settings.replace(cors_origins=f"{SHOP},{OTHER}"))
    client: Client = await aiohttp_client(app)
    return client


def allowed_origin(response: Any) -> str | None:
    found: str | None = response.headers.get("Access-Control-Allow-Origin")
    return found


async def test_preflight(open_client: Client) -> None:
    paths = ("/blur", "/process", "/tasks/x", "/processed/x.png", "/nope")
    for path, origin in itertools.product(paths, (SHOP, OTHER)):
        response = await open_client.options(path, headers={"Origin": origin, **PREFLIGHT})
        assert (response.status, allowed_origin(response), await response.read()) == (
            204,
            origin,
            b"",
        )
        cors_headers = {
            n: v.split(", ") for n, v in response.headers.items() if n.startswith("Access")
        }
        assert set(cors_headers["Access-Control-Allow-Methods"]) == {
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
        }
        needed = {"Authorization", "X-API-Key", "Content-Type", "Range", "Last-Event-ID"}
        assert needed <= set(cors_headers["Access-Control-Allow-Headers"])
        assert int(response.headers["Access-Control-Max-Age"]) > 0
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_unlisted_origin_gets_no_cors_headers(open_client: Client) -> None:
    for origin in FOREIGN_ORIGINS:
        response = await open_client.options("/blur", headers={"Origin": origin, **PREFLIGHT})
        assert (response.status, allowed_origin(response)) == (403, None), origin
        assert (await response.json())["setting"] == "CORS_ORIGINS"
        for path in ("/operations", "/tasks/x", "/nope"):
            response = await open_client.get(path, headers={"Origin": origin})
            assert allowed_origin(response) is None, (origin, path)
            assert "Origin" in response.headers["Vary"], (origin, path)
            assert "evil" not in str(response.headers), (origin, path)


async def test_responses_and_errors_have_cors_headers(open_client: Client) -> None:
    head = {"Origin": SHOP}
    form = images.form(images.png(), "cat.png")
    accepted = await open_client.post("/blur", data=form, headers=head)
    assert (accepted.status, allowed_origin(accepted)) == (202, SHOP)
    exposed = set(accepted.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"Location", "Retry-After", "ETag", "X-Request-ID", "Content-Disposition"} <= exposed
    for method, path, status in (
        ("GET", "/operations", 200),
        ("HEAD", "/operations", 200),
        ("GET", "/tasks/x", 404),
        ("GET", "/nope", 404),
        ("GET", "/blur", 405),
        ("POST", "/blur", 400),
        ("GET", "/", 200),
    ):
        response = await open_client.request(method, path, headers=head)
        assert (response.status, allowed_origin(response)) == (status, SHOP), path
        assert response.headers["Vary"].endswith("Origin")


async def test_event_streams_have_cors_headers(open_client: Client) -> None:
    form = images.form(images.png(), "cat.png")
    task = await (await open_client.post("/blur", data=form)).json()
    path = f"/tasks/{task['task_id']}/events"
    async with open_client.get(path, headers={"Origin": SHOP}) as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
        assert allowed_origin(stream) == SHOP
        assert (await stream.content.readline()).startswith(b"retry")
    async with open_client.get(path, headers={"Origin": "https://evil.example"}) as stream:
        assert allowed_origin(stream) is None


async def test_dashboard_never_has_cors_headers(open_client: Client) -> None:
    for path in ("/dashboard", "/dashboard/api/queue"):
        response = await open_client.options(path, headers={"Origin": SHOP, **PREFLIGHT})
        assert (response.status, allowed_origin(response)) == (403, None), path
        response = await open_client.get(path, headers={"Origin": SHOP})
        assert allowed_origin(response) is None, path


async def test_no_cors_headers_by_default(client: Client) -> None:
    response = await client.options("/blur", headers={"Origin": SHOP, **PREFLIGHT})
    assert (response.status, allowed_origin(response)) == (405, None)
    response = await client.get("/operations", headers={"Origin": SHOP})
    assert allowed_origin(response) is None and "Origin" not in response.headers.get("Vary", "")


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "null",
        "https://*.example.org",
        "https://a.example/",
        "a.example",
        "https://u@a.example",
    ],
)
def test_invalid_origin_is_refused_as_a_setting(origins: str) -> None:
    with pytest.raises(ValueError, match="is not an origin|is not a host name"):
        Settings().replace(cors_origins=f"{SHOP},{origins}")


def test_origins_are_normalised_as_browsers_send_them() -> None:
    given = " https://Shop.Example.org:443 ,http://localhost:3000,http://[::1]:80,"
    assert Settings().replace(cors_origins=given).http.allowed_origins == {
        SHOP,
        OTHER,
        "http://[::1]",
    }


async def test_cross_site_requests_are_blocked(open_client: Client) -> None:
    """Neither a form nor a script without preflight, which could not read the response, works."""
    for headers in (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},  # a sandboxed frame
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},  # over plain HTTP browsers omit Sec-Fetch-Site
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ):
        for path, data in (
            ("/thumbnail", images.form(images.png(), "a.png")),
            ("/items/", b'{"images": []}'),  # text/plain: browsers send no preflight
            ("/subscribe", {"email": "ann@example.org"}),
        ):
            response = await open_client.post(path, headers=headers, data=data)
            body = await response.json()
            assert (response.status, body["code"]) == (403, "forbidden"), (headers, path)
            assert body["setting"] == "CORS_ORIGINS"


async def test_programs_listed_origins_and_own_pages_are_allowed(open_client: Client) -> None:
    allowed: tuple[dict[str, str], ...] = (
        {},
        {"Origin": SHOP, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    )
    for headers in allowed:
        form = images.form(images.png(), "a.png")
        response = await open_client.post("/thumbnail", data=form, headers=headers)
        assert response.status == 202, headers
