"""Refuse to start if the service would be reachable from elsewhere without API keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from models.errors import BadSettings
from models.loopback import is_loopback
from models.settings import Settings

log = structlog.get_logger()


async def check(settings: Settings, find_key: Callable[[], Awaitable[bool]]) -> None:
    """Return if the service may listen on HOST; ``find_key`` tells whether an active key exists.

    Raises:
        BadSettings: other hosts could reach it without an API key.
    """
    if settings.auth.allow_anonymous:
        return
    if settings.api_keys_enabled:
        if await find_key():
            return
        if is_loopback(settings.http.host):  # all requests are refused until a key is created
            log.warning("no_keys", make="python -m service keys create NAME")
            return
        reason = "there is no API key"
    elif is_loopback(settings.http.host):
        if settings.http.proxies:
            log.warning("open_behind_proxies", proxies=settings.http.proxies, setting="API_KEYS")
        return
    else:
        reason = "API_KEYS=off"
    raise BadSettings(
        f"HOST={settings.http.host} is reachable from other hosts, and {reason}: create a key with "
        "`python -m service keys create NAME` (with API_KEYS=auto or on), or set "
        "ALLOW_ANONYMOUS=1 to accept requests without a key"
    )
