"""Hourly quotas of a client: e-mails, webhooks and other calls that cost."""

from __future__ import annotations

from aiohttp import web

from models.errors import RateLimited
from service.app_keys import SETTINGS, STORE
from service.auth.identity import identity
from service.http.client_ip import CLIENT_IP


async def count_call(
    request: web.Request, kind: str = "client", setting: str = "MAIL_PER_CLIENT"
) -> None:
    """Count a call that has an hourly quota per client, such as one that may send e-mail.

    ``kind``: kind of call, part of the counter's key. ``setting``: the setting with the quota.

    Raises:
        RateLimited: the client has used up its quota of this hour.
    """
    settings = request.app[SETTINGS]
    limit = int(getattr(settings, setting.lower()))
    owner = identity(request).owner
    client = f"key:{owner}" if owner else request[CLIENT_IP]
    wait = await request.app[STORE].quotas.consume(f"{kind}:{client}", limit)
    if wait:
        raise RateLimited(
            f"more than {limit} such calls per hour ({setting}); retry in {wait} s",
            setting=setting,
            limit=limit,
            measured=limit + 1,
            retry_after=wait,
        )


def address_quota_key(address: str) -> str:
    """Return the quota key for e-mails to ``address``."""
    return f"address:{address}"


async def count_email(request: web.Request, address: str) -> int:
    """Count an e-mail to ``address``; return 0 if allowed, else seconds until the next one.

    It counts whether or not an e-mail follows, so that a refusal does not reveal subscriptions.
    """
    limit = request.app[SETTINGS].mail_per_address
    return await request.app[STORE].quotas.consume(address_quota_key(address), limit)
