"""Which language a page is in: the cookie of its switch, then Accept-Language."""

from __future__ import annotations

import re
from typing import Any

import pytest

from models.auth.tokens import Purpose
from models.settings import Settings
from service.app_keys import TOKENS
from service.pages.language import LANGUAGE_COOKIE, preferred_language
from tests.conftest import Client
from tests.support import api_key_clients
from tests.support.page_scripts import STATIC

BROWSER = {"Accept": "text/html"}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-DE-1996,de;q=0.9", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("de;q=0.8 , en;q=0.9", "en"),
        ("en;q=0.8,de ; q=0.900", "de"),
        ("de;q=0.5,en;q=0.5", "de"),
        ("fr,de;q=0.1", "de"),
        ("fr", "en"),
        ("*", "en"),
        ("*;q=0.5", "en"),
        ("en;q=0.2,*;q=0.5", "de"),
        ("*,de;q=0.5", "en"),
        ("de;q=0,*", "en"),
        ("en;q=0", "en"),
        ("de;q=0", "en"),
        ("en;q=0,*;q=0.1", "de"),
        ("de-CH;q=0,de;q=0.4", "de"),
        # Malformed ranges are passed over.
        ("de;q=1.5,en;q=0.1", "en"),
        ("de;q=-1,en;q=0.1", "en"),
        ("de;q=0.1234,en;q=0.1", "en"),
        ("de;q=inf", "en"),
        ("de;q=nan", "en"),
        ("de;q=٠.٩", "en"),
        ("de;q", "en"),
        ("de;q=1;q=1", "en"),
        ("de_DE", "en"),
        ("../de", "en"),
        ("<script>,;;,q=1,-,de-", "en"),
        (",,de,,", "de"),
        (";,=,de;q=.5,en;q=0.1", "en"),
        # Long ones are read as far as a browser's would be.
        ("fr," * 49 + "de", "de"),
        ("fr," * 50 + "de", "en"),
        ("x" * 100_000, "en"),
        ("a-" * 50_000, "en"),
        (" " * 100_000 + "de", "de"),
        ("de" + " " * 100_000 + "x", "en"),
    ],
)
def test_what_a_header_prefers(header: str, language: str) -> None:
    assert preferred_language(header) == language


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "en"),
        ({"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}, "de"),
        ({"Accept-Language": "de", "Cookie": f"{LANGUAGE_COOKIE}=en"}, "en"),
        ({"Cookie": f"a=1; {LANGUAGE_COOKIE}=de"}, "de"),
        ({"Accept-Language": "de", "Cookie": f"{LANGUAGE_COOKIE}=fr"}, "de"),
        ({"Cookie": f"{LANGUAGE_COOKIE}=../de"}, "en"),
        ({"Cookie": f'{LANGUAGE_COOKIE}="><script>alert(1)</script>'}, "en"),
    ],
)
async def test_a_page_is_in_the_language_that_was_asked_for(
    client: Client, headers: dict[str, str], language: str
) -> None:
    response = await client.get("/docs", headers=BROWSER | headers)
    text = await response.text()
    assert response.headers["Content-Language"] == language
    assert response.headers["Vary"] == "Accept-Language, Cookie"
    assert "Set-Cookie" not in response.headers and "alert(1)" not in text
    assert re.findall(r"<html lang=\"(\w+)\"", text) == [language]
    (script,) = re.findall(r'data-messages="/static/([^"]+)"', text)
    assert script == f"messages-{language}.js"
    module = await client.get(f"/static/{script}")
    assert module.content_type == "text/javascript" and module.status == 200
    # Elements in the other language say so.
    assert (' lang="en"' in text.partition("<main")[2]) == (language == "de")


async def test_the_upload_page_in_german(client: Client) -> None:
    headers = BROWSER | {"Accept-Language": "de"}
    response = await client.get("/", headers=headers)
    text = await response.text()
    assert response.headers["Vary"] == "Accept, Accept-Language, Cookie"
    assert "PNG oder JPEG, je bis" in text and "Bilder auswählen" in text
    assert 'lang="en" data-language="en" aria-label="English">' in text


async def test_the_api_stays_english(client: Client) -> None:
    headers = {"Accept-Language": "de", "Cookie": f"{LANGUAGE_COOKIE}=de"}
    for path in ("/operations", "/tasks/none", "/openapi.json"):
        german, plain = await client.get(path, headers=headers), await client.get(path)
        assert await german.read() == await plain.read()
        assert "Content-Language" not in german.headers


async def test_notices_and_the_login_form(
    client: Client, settings: Settings, aiohttp_client: Any
) -> None:
    german = BROWSER | {"Accept-Language": "de"}
    response = await client.get("/subscribe/confirm?token=x", headers=german)
    text = await response.text()
    assert response.status == 422 and response.headers["Content-Language"] == "de"
    assert "Dieser Link funktioniert nicht" in text and '<html lang="de">' in text
    assert "Der Parameter token ist unbekannt" in text and ' lang="en"' not in text
    token = client.app[TOKENS].make_subscriber_token(Purpose.UNSUBSCRIBE, "0" * 24)
    text = await (await client.get(f"/unsubscribe?token={token}", headers=german)).text()
    assert "Abbestellen" in text and "Press" not in text
    service = await api_key_clients.service_starter(settings, aiohttp_client)()
    refused = await service.client.post("/login", data={"key": "dk_x"}, headers=german)
    text = await refused.text()
    assert refused.status == 401 and refused.headers["Content-Language"] == "de"
    assert "Der API-Schlüssel fehlt oder ist ungültig" in text


def test_the_switch_writes_the_cookie_that_is_read() -> None:
    script = (STATIC / "language.js").read_text()
    assert f"`{LANGUAGE_COOKIE}=$" in script and "SameSite=Lax" in script
