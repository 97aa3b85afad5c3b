"""What signs webhooks: the house's secret, and each key's, which follows from no other."""

from __future__ import annotations

import base64
import hmac
import io
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from models.cli import webhook_secret
from models.settings import Settings
from models.store import Store
from tests.support.api_key_clients import opening
from tests.support.webhook_receiver import SECRET, calling, receiving, tell_due
from tests.workers.webhooks.test_end_to_end import opened, send, verified


async def printed(settings: Settings, key_id: str = "") -> str:
    """Return the one secret that ``python -m models webhook-secret`` prints."""
    out = io.StringIO()
    assert await webhook_secret(settings, key_id, out) == 0
    (secret,) = out.getvalue().split()
    return secret


def made(secret: str, purpose: str) -> str:
    """Return what who knows ``secret`` can make of it as we make secrets."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "whsec_" + base64.b64encode(hmac.digest(key, purpose.encode(), "sha256")).decode()


async def test_secrets_change_over(settings: Settings, aiohttp_client: Any, store: Store) -> None:
    """While two are set both sign; without any, one made of the secret that all programs share."""
    other = "whsec_" + base64.b64encode(b"another secret of the same" * 2).decode()
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhook_secret=f"{other} {SECRET}")
        client = await opened(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url, "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        await tell_due(chosen, store)
        ((headers, body),) = receiver.calls
        for secret in (other, SECRET):
            verified(headers, body, secret)
        await send(client, receiver.url, "a.png")
        await client.delete(f"/tasks/{task_id}")
        await tell_due(calling(settings, receiver, webhook_secret=""), store)
        with pytest.raises(WebhookVerificationError):
            verified(*receiver.calls[-1], SECRET)


@pytest.mark.parametrize("house", [SECRET, ""])
async def test_each_key_has_a_secret_of_its_own(
    house: str, settings: Settings, aiohttp_client: Any
) -> None:
    """Who knows the one of the house or of another key cannot speak to this key's receiver."""
    async with receiving() as receiver:
        chosen = calling(settings, receiver, webhook_secret=house)
        door = await opening(chosen, aiohttp_client)()
        ann, bob = await door.key(name="ann"), await door.key(name="bob")
        for shown in (ann, bob):
            task = await door.send(shown, callback_url=receiver.url)
            await door.ask("DELETE", f"/tasks/{task['task_id']}", shown)
        await tell_due(chosen, door.store)
        known = await printed(chosen)  # to whoever receives an event that is nobody's
        assert house in {known, ""}
        keys = ann.key.id, bob.key.id
        secrets = [await printed(chosen, key_id) for key_id in keys]
        for call, key_id, own, other in zip(
            receiver.calls, keys, secrets, secrets[::-1], strict=True
        ):
            assert verified(*call, own)["type"] == "task.cancelled"
            purposes = f"darkroom:owner:{key_id}", f"darkroom:webhook:key:{key_id}:0"
            forged = [made(each, purpose) for each in (known, other) for purpose in purposes]
            for wrong in (known, other, *forged):
                with pytest.raises(WebhookVerificationError):
                    verified(*call, wrong)


async def test_a_keys_secret_changes_with_the_key_and_not_with_the_house(
    settings: Settings, aiohttp_client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiving() as receiver:
        chosen = calling(settings, receiver)
        door = await opening(chosen, aiohttp_client)()
        ann = await door.key(name="ann")
        before = await printed(chosen, ann.key.id)
        assert await printed(calling(settings, webhook_secret=""), ann.key.id) == before
        task = await door.send(ann, callback_url=receiver.url)
        await door.ask("DELETE", f"/tasks/{task['task_id']}", ann)
        assert await door.store.keys.rotate(ann.key.id)
        after = await printed(chosen, ann.key.id)
        await tell_due(chosen, door.store)  # what waited, too
        (call,) = receiver.calls
        assert verified(*call, after)["type"] == "task.cancelled"
        with pytest.raises(WebhookVerificationError):
            verified(*call, before)
        assert await webhook_secret(chosen, "0" * 16) == 2
        assert "no key" in capsys.readouterr().err
