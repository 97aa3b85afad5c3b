"""Links in e-mails: signed, expiring, for one purpose each; and the pages they open."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from models.auth.tokens import SKEW_SECONDS, Purpose, Tokens, _Signer
from models.outbox.email import Subscription
from models.settings import Settings
from models.store import Store
from tests.support.subscribers import ANN, status_of, subscribed, token_for


async def test_forged_expired_and_wrong_purpose_tokens_are_refused(
    client: Any, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber_id = await subscribed(store)
    good = token_for(client, Purpose.UNSUBSCRIBE, subscriber_id)
    other_secret = Tokens("another secret").make_subscriber_token(
        Purpose.UNSUBSCRIBE, subscriber_id
    )
    wrong = token_for(client, Purpose.CONFIRM, subscriber_id)
    click = {"List-Unsubscribe": "One-Click"}
    forged = [
        good[:-1],
        good + "x",
        "x" + good,
        other_secret,
        wrong,
        "",
        "x" * 10_000,
        "ä",
        "..",
        "\x00",
    ]
    for token in forged:
        for call in (
            client.get("/unsubscribe", params={"token": token}),
            client.post("/unsubscribe", params={"token": token}, data=click),
            client.post("/subscribe/confirm", params={"token": token if token != wrong else good}),
        ):
            response = await call
            assert response.status in {400, 422}, token
    assert await status_of(store) == Subscription.CONFIRMED
    for purpose, ttl, path in (
        (Purpose.UNSUBSCRIBE, 60 * 86400, "/unsubscribe"),
        (Purpose.CONFIRM, 48 * 3600, "/subscribe/confirm"),
    ):
        issued_at = int(time.time()) - ttl - SKEW_SECONDS - 5
        with monkeypatch.context() as patch:
            patch.setattr(_Signer, "get_timestamp", lambda self, m=issued_at: m)
            old = token_for(client, purpose, subscriber_id)
        response = await client.post(path, params={"token": old}, data=click)
        body = await response.json()
        assert (response.status, body["limit"]) == (422, ttl)
        assert "expired" in body["detail"]
        page = await client.get(path, params={"token": old})
        assert (page.status, page.content_type) == (422, "text/html")
        assert "has expired" in await page.text()
    assert await status_of(store) == Subscription.CONFIRMED
    assert ANN not in good and subscriber_id not in await page.text()


async def test_link_of_a_deleted_subscriber(client: Any) -> None:
    token = token_for(client, Purpose.CONFIRM, "0" * 32)
    response = await client.post(f"/subscribe/confirm?token={token}")
    assert response.status == 422
    assert "subscribe again" in (await response.json())["detail"]


async def test_pages_have_no_scripts_and_send_no_referrer(client: Any, store: Store) -> None:
    subscriber_id = await subscribed(store)
    token = token_for(client, Purpose.CONFIRM, subscriber_id)
    browser = {"Accept": "text/html,application/xhtml+xml"}
    for response in (
        await client.get(f"/subscribe/confirm?token={token}"),
        await client.post(f"/subscribe/confirm?token={token}", headers=browser),
        await client.post("/subscribe/confirm?token=x", headers=browser),
        await client.get("/unsubscribe?token=<script>alert(1)</script>"),
        await client.post("/unsubscribe?token=%22%3E<b>", headers=browser),
    ):
        text = await response.text()
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert response.headers["Referrer-Policy"] == "strict-origin"
        assert response.headers["Cache-Control"] == "no-store"
        assert "<script" not in text and "<b>" not in text and token not in text
        style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
        assert style is not None
        assert sha256(style.group(1)) in policy


def sha256(text: str) -> str:
    import base64
    import hashlib

    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_pages_escape_html() -> None:
    from service.pages.catalogue import CATALOGUES
    from service.pages.render import notice_page

    made = notice_page(CATALOGUES["en"], "<b>", '"><script>', button="<i>")
    assert made.text is not None
    assert "<b>" not in made.text and "<script>" not in made.text and "<i>" not in made.text
