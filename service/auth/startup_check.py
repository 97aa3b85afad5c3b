"""Refuse to start if the service would be reachable from elsewhere without API keys."""

from __future__ import annotations

import structlog

from models.errors import BadSettings
from models.loopback import is_loopback
from models.settings import Settings
from models.store import Store

log = structlog.get_logger()


async def check(settings: Settings, store: Store) -> None:
    """Return if the service may listen on HOST.

    Raises:
        BadSettings: other hosts could reach it without an API key.
    """
    if settings.allow_anonymous:
        return
    if settings.api_keys_enabled:
        if await store.api_keys.any_live():
            return
        if is_loopback(settings.host):  # all requests are refused until a key is created
            log.warning("no_keys", make="python -m service keys create NAME")
            return
        reason = "there is no API key"
    elif is_loopback(settings.host):
        if settings.proxies:
            log.warning("open_behind_proxies", proxies=settings.proxies, setting="API_KEYS")
        return
    else:
        reason = "API_KEYS=off"
    raise BadSettings(
        f"HOST={settings.host} is reachable from other hosts, and {reason}: create a key with "
        "`python -m service keys create NAME` (with API_KEYS=auto or on), or set "
        "ALLOW_ANONYMOUS=1 to accept requests without a key"
    )
