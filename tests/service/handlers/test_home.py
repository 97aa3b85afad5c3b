"""GET /: HTML for browsers, plain text for other clients."""

from __future__ import annotations

import re

from models.settings import Settings
from tests.conftest import Client
from tests.service.uploads.test_incoming_file import limited
from tests.support.page_scripts import STATIC

BROWSER = {"Accept": "text/html,application/xhtml+xml,image/webp,*/*;q=0.8"}


async def test_other_clients_get_plain_text(client: Client) -> None:
    response = await client.get("/", headers={"Accept": "*/*"})
    assert response.content_type == "text/plain"
    assert response.headers["Vary"] == "Accept"
    assert (await response.text()).startswith("Darkroom: send pictures")


async def test_browsers_get_the_page(settings: Settings, aiohttp_client: object) -> None:
    client = await limited(aiohttp_client, settings, max_upload_bytes=3 * 2**19, max_pixels=10**6)
    response = await client.get("/", headers=BROWSER)
    text = await response.text()
    assert response.content_type == "text/html"
    assert response.headers["Vary"] == "Accept, Accept-Language, Cookie"
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "up to 1.5 MiB and 1 megapixels" in text
    assert not re.search(r"(?i)<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    for name in re.findall(r'"/static/([^"]+)"', text):
        assert (await client.get(f"/static/{name}")).status == 200


def test_scripts_are_same_origin_and_insert_no_markup() -> None:
    """Scripts are short, never insert data as markup, and load nothing from other origins."""
    for script in STATIC.glob("*.js"):
        text = script.read_text()
        assert len(text.splitlines()) <= 200, script.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), script.name
        for name in re.findall(r'from "(?:\./|/static/)([^"]+)"', text):
            assert (STATIC / name).is_file(), f"{script.name} imports {name}"
