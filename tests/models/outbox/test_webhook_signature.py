"""Secrets that sign webhooks: the shared one, and one for each API key."""

from __future__ import annotations

import base64
import contextlib
import hmac
import io
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from models.cli import webhook_secret
from models.settings import Settings
from models.store import Store
from tests.support.api_key_clients import service_starter
from tests.support.webhook_receiver import SECRET, deliver_due, run_receiver, webhook_settings
from tests.workers.webhooks.test_end_to_end import open_client, send, verified


async def printed_secret(settings: Settings, key_id: str = "") -> str:
    """Return the one secret that ``python -m models webhook-secret`` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert await webhook_secret(settings, key_id) == 0
    (secret,) = out.getvalue().split()
    return secret


def derived(secret: str, purpose: str) -> str:
    """Derive a secret from ``secret`` in the same way as the product does from SECRET_KEY."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "whsec_" + base64.b64encode(hmac.digest(key, purpose.encode(), "sha256")).decode()


async def test_secrets_can_be_rotated(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """Two secrets both sign; without any, one derived from the programs' secret key signs."""
    other = "whsec_" + base64.b64encode(b"another secret of the same" * 2).decode()
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver, webhook_secret=f"{other} {SECRET}")
        client = await open_client(aiohttp_client, chosen)
        task_id = (await send(client, receiver.url, "a.png"))["task_id"]
        await client.delete(f"/tasks/{task_id}")
        await deliver_due(chosen, store)
        ((headers, body),) = receiver.calls
        for secret in (other, SECRET):
            verified(headers, body, secret)
        await send(client, receiver.url, "a.png")
        await client.delete(f"/tasks/{task_id}")
        await deliver_due(webhook_settings(settings, receiver, webhook_secret=""), store)
        with pytest.raises(WebhookVerificationError):
            verified(*receiver.calls[-1], SECRET)


@pytest.mark.parametrize("shared_secret", [SECRET, ""])
async def test_each_key_has_its_own_secret(
    shared_secret: str, settings: Settings, aiohttp_client: Any
) -> None:
    """The shared secret or another key's secret cannot forge a webhook of this key."""
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver, webhook_secret=shared_secret)
        service = await service_starter(chosen, aiohttp_client)()
        ann, bob = await service.key(name="ann"), await service.key(name="bob")
        for credentials in (ann, bob):
            task = await service.send(credentials, callback_url=receiver.url)
            await service.request("DELETE", f"/tasks/{task['task_id']}", credentials)
        await deliver_due(chosen, service.store)
        known = await printed_secret(chosen)  # to receivers of anonymous webhooks
        assert shared_secret in {known, ""}
        keys = ann.key.id, bob.key.id
        secrets = [await printed_secret(chosen, key_id) for key_id in keys]
        for call, key_id, own, other in zip(
            receiver.calls, keys, secrets, secrets[::-1], strict=True
        ):
            assert verified(*call, own)["type"] == "task.cancelled"
            purposes = f"darkroom:owner:{key_id}", f"darkroom:webhook:key:{key_id}:0"
            forged = [derived(secret, purpose) for secret in (known, other) for purpose in purposes]
            for wrong in (known, other, *forged):
                with pytest.raises(WebhookVerificationError):
                    verified(*call, wrong)


async def test_key_secret_changes_with_the_key_and_not_with_webhook_secret(
    settings: Settings, aiohttp_client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        service = await service_starter(chosen, aiohttp_client)()
        ann = await service.key(name="ann")
        before = await printed_secret(chosen, ann.key.id)
        assert (
            await printed_secret(webhook_settings(settings, webhook_secret=""), ann.key.id)
            == before
        )
        task = await service.send(ann, callback_url=receiver.url)
        await service.request("DELETE", f"/tasks/{task['task_id']}", ann)
        assert await service.store.api_keys.rotate(ann.key.id)
        after = await printed_secret(chosen, ann.key.id)
        await deliver_due(chosen, service.store)  # also webhooks that waited
        (call,) = receiver.calls
        assert verified(*call, after)["type"] == "task.cancelled"
        with pytest.raises(WebhookVerificationError):
            verified(*call, before)
        assert await webhook_secret(chosen, "0" * 16) == 2
        assert "no key" in capsys.readouterr().err
