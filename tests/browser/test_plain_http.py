"""CSRF checks on plain http, where browsers send Origin but no Sec-Fetch-Site."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Request, expect

from models.auth.tokens import Purpose
from models.settings import Settings
from service.app import create_app
from service.app_keys import TOKENS
from tests.browser.conftest import INSECURE_NAME, Tab
from tests.browser.upload_page import add, ready, start
from tests.conftest import Client
from tests.support import images


async def test_own_pages_pass_and_sandboxed_frames_are_blocked(
    settings: Settings, aiohttp_client: Any, tab: Tab
) -> None:
    chosen = settings.replace(allowed_hosts=INSECURE_NAME)
    client: Client = await aiohttp_client(create_app(chosen))
    ours = f"http://{INSECURE_NAME}:{client.port}"
    sent: list[Request] = []
    tab.page.on("request", lambda each: sent.append(each) if each.method == "POST" else None)
    # The upload page.
    await tab.page.goto(f"{ours}/")
    await ready(tab.page)
    await add(tab.page, {"cat.png": images.png(40, 30, 1)})
    async with tab.page.expect_response(lambda each: each.request.method == "POST") as taken:
        await start(tab.page)
    assert (await taken.value).status == 202
    # A form on a page whose URL carries a token.
    app: Any = client.app
    token = app[TOKENS].make_subscriber_token(Purpose.UNSUBSCRIBE, "x" * 24)
    where = f"{ours}/unsubscribe?token={token}"
    await tab.page.goto(where)
    await tab.page.get_by_role("button").click()
    await expect(tab.page.get_by_role("heading")).to_have_text("Done")
    for each in sent:
        headers = await each.all_headers()
        assert headers["origin"] == ours and "sec-fetch-site" not in headers
        assert "token" not in headers.get("referer", "")
    # A page with an opaque origin, as a sandboxed frame has.
    await tab.page.goto("about:blank")
    await tab.page.set_content(f'<form method="post" action="{where}"><button>x</button></form>')
    async with tab.page.expect_response(lambda each: each.request.method == "POST") as refused:
        await tab.page.get_by_role("button").click()
    answer = await refused.value
    assert (await answer.request.all_headers())["origin"] == "null"
    assert answer.status == 403
    # The browser reports that it ignores this header on plain http, as expected.
    ignored = "The Cross-Origin-Opener-Policy header has been ignored"
    tab.trouble[:] = [each for each in tab.trouble if ignored not in each]
