"""Re-check the API key after a long upload or poll: it may have been revoked meanwhile."""

from __future__ import annotations

from aiohttp import web

from models.errors import Unauthorized
from service.auth.authenticator import AUTHENTICATOR
from service.auth.identity import identity


async def revalidate(request: web.Request) -> None:
    """Return if the credentials of the request are still valid, within KEY_CACHE_SECONDS.

    Raises:
        Unauthorized: the key was revoked, rotated or expired. Forbidden: the link is invalid.
        StoreUnavailable: the key cannot be looked up.
    """
    client, authenticator = identity(request), request.app[AUTHENTICATOR]
    if client.means == "link":
        await authenticator.identify_by_link(request)
    elif not await authenticator.is_still_valid(client):
        raise Unauthorized("API key is no longer valid: revoked, rotated or expired meanwhile")
