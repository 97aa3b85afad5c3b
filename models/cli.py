"""Commands ``python -m models check`` and ``webhook-secret``."""

from __future__ import annotations

import sys
from collections import Counter

from models.errors import StoreUnavailable
from models.outbox.webhook_signature import signing_secrets
from models.settings import Settings
from models.store import Store


async def webhook_secret(settings: Settings, key_id: str = "") -> int:
    """Print the secrets that sign webhooks, one a line.

    ``key_id``: id of an API key; its webhooks have a secret of their own. Returns 2 if there is no
    such key, or if MongoDB does not answer.
    """
    store = Store(settings)
    secret, generation = "", 0
    try:
        if key_id:
            key = await store.api_keys.get(key_id)
            if key is None:
                print(f"darkroom: there is no key {key_id!a}", file=sys.stderr)
                return 2
            generation = key.generation
        if key_id or not settings.webhook.webhook_secret.get_secret_value():
            secret = await store.secret_key.get()
    except StoreUnavailable as error:
        return _print_unavailable(error)
    finally:
        store.close()
    print("\n".join(signing_secrets(settings.webhook, secret).for_owner(key_id, generation)))
    return 0


def _print_unavailable(error: StoreUnavailable) -> int:
    print(
        f"darkroom: {error.detail} (an embedded store runs only while Darkroom does)",
        file=sys.stderr,
    )
    return 2


async def check(settings: Settings, *, fast: bool = False, repair: bool = False) -> int:
    """Print one line for each error, then a summary; return the exit status.

    0: no errors, or all were repaired; 1: errors remain; 2: MongoDB does not answer.
    """
    store = Store(settings)
    walk = store.check(fast=fast)
    found: Counter[str] = Counter()
    repaired = 0
    try:
        await store.ping()
        async for finding in walk.findings():
            found[finding.code] += 1
            done = repair and await finding.repair()
            repaired += done
            print(f"{finding.code}: {finding.what}{'; repaired' if done else ''}")
        if repair:
            await store.originals.delete_marked()
    except StoreUnavailable as error:
        return _print_unavailable(error)
    finally:
        store.close()
    looked = ", ".join(f"{count} {what}" for what, count in sorted(walk.counts.items()))
    print(f"looked at {looked or 'an empty store'}")
    kinds = ", ".join(f"{count} {code}" for code, count in sorted(found.items()))
    total = found.total()
    print(f"{total} wrong{f' ({kinds})' if kinds else ''}, {repaired} repaired")
    return 0 if repaired == total else 1
