"""Whether the service may open its door: never by accident to everybody."""

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
        BadSettings: others could reach it, and nothing says who may come in.
    """
    if settings.allow_anonymous:
        return
    if settings.keys_on:
        if await store.keys.any_live():
            return
        if is_loopback(settings.host):  # nobody comes in, and a key can be made any time
            log.warning("no_keys", make="python -m service keys create NAME")
            return
        lack = "there is no API key"
    elif is_loopback(settings.host):
        if settings.proxies:
            log.warning("open_behind_proxies", proxies=settings.proxies, setting="API_KEYS")
        return
    else:
        lack = "API_KEYS=off"
    raise BadSettings(
        f"HOST={settings.host} can be reached from elsewhere, and {lack}: make a key with "
        "`python -m service keys create NAME` (and leave API_KEYS to be auto or on), or set "
        "ALLOW_ANONYMOUS=1 where everybody who reaches it may use it"
    )
