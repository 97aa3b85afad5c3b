"""Webhooks on the dashboard in a browser: delivery attempts and redelivery."""

from __future__ import annotations

from aiohttp import web
from playwright.async_api import expect

from models.settings import Settings
from models.store import Store
from tests.browser.conftest import Tab
from tests.browser.dashboard_page import Open, looking, opened
from tests.support.webhook_receiver import deliver_due, run_receiver, webhook_settings
from tests.workers.webhooks.test_end_to_end import send

__all__ = ["opened"]  # a fixture


async def test_a_webhook_is_shown_and_redelivered(
    tab: Tab, opened: Open, settings: Settings, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client, url = await opened(chosen)
        name = "?<img src=x onerror=alert(1)>"
        task_id = (await send(client, receiver.url + name.replace(" ", "%20"), "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        receiver.responses = [web.Response(status=503)]
        await deliver_due(chosen, store)
        async with looking(tab, f"{url}?task={task_id}"):
            section = tab.page.get_by_role("region", name="Webhooks")
            await expect(section).to_contain_text("sending")
            await expect(section).to_contain_text("error response 503")
            await expect(section).to_contain_text("next attempt")
            await tab.shots("dashboard-webhook")
            assert await tab.findings() == []
            await section.get_by_role("button", name="Redeliver").click()
            await expect(section).not_to_contain_text("the receiver answered 503")
            await deliver_due(chosen, store)
            await expect(section).to_contain_text("delivered 200")
            await expect(section.get_by_text("sent", exact=True)).to_be_visible()
        assert len(receiver.calls) == 2 and len(set(receiver.ids)) == 1
