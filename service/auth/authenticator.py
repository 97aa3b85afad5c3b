"""Who asks: the key in a header, the session in a cookie, or the signature of a link."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Literal

import structlog
from aiohttp import web

from models.auth import signed_links
from models.auth.api_key import Key, id_of
from models.auth.tokens import Tokens
from models.auth.visibility import View
from models.errors import BadRequest, Forbidden, LinkExpired, Unauthorized
from models.settings import Settings
from models.store import Store
from service.auth.identity import ANYBODY, Caller
from service.auth.rate_limit import Toll
from service.cookies import cookie
from service.http.csrf import own

log = structlog.get_logger()

COOKIE = "darkroom_key"
HEADER = "X-API-Key"
SAFE = frozenset({"GET", "HEAD"})
_MOST = 10_000  # keys that one service remembers
_HOW = "send Authorization: Bearer <key>"


class Doorkeeper:
    """Knows keys for KEY_SECONDS; one for each service.

    What cannot be right, or was wrong lately from the same address, asks nothing of MongoDB.
    """

    def __init__(self, settings: Settings, store: Store, tokens: Tokens, toll: Toll) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._toll = toll
        self._known: dict[str, tuple[float, Key]] = {}

    async def caller(self, request: web.Request) -> Caller:
        """Return who asks; ``ANYBODY`` who shows nothing.

        Raises:
            Unauthorized: what is shown is not good. Forbidden: another site's page asks.
            RateLimited: too much that was shown from there was not good.
            StoreUnavailable: the key cannot be looked up.
        """
        token = shown(request)
        if token is not None:
            key = await self.opened(request, token)
            if key is None:
                await self._toll.failed(request)
                raise Unauthorized(f"this key is not good: unknown, revoked or expired; {_HOW}")
            return await self._used(key, "key")
        found = await self.session(request)
        if found is None:
            return ANYBODY
        if request.method not in SAFE:
            own(request, self._settings, must=True)
        return found

    async def session(self, request: web.Request) -> Caller | None:
        """Return who logged in on the page; None if nobody did, or no longer counts."""
        said = self._tokens.key_in(cookie(request, COOKIE))
        if said is None:
            return None
        key = await self.find(said[0])
        if key is None or not key.live or key.made != said[1]:
            return None
        return await self._used(key, "session")

    async def still(self, who: Caller) -> bool:
        """Tell whether the key by which somebody was let in is as it was, and still good."""
        if who.key is None:
            return True
        key = await self.find(who.key.id)
        return key is not None and key.live and key.made == who.key.made

    async def linked(self, request: web.Request) -> Caller:
        """Return who has a signed link: they see what it leads to.

        Raises:
            Forbidden: it is none of ours, or its key was revoked. LinkExpired: its time is up.
            RateLimited: too much that was shown from there was not good.
        """
        await self._toll.may_try(request)
        try:
            link = signed_links.read(request.path, request.query)
            made = await self.made(link.owner)
            link.check(self._tokens, made, request.query.get(signed_links.SIGNATURE, ""))
        except Forbidden as error:
            if not isinstance(error, LinkExpired):  # which it was once, and nobody's guess
                await self._toll.failed(request)
            raise
        return Caller(None, "link", View(link.owner))

    async def made(self, owner: str) -> int:
        """Return what links of ``owner`` are signed with.

        Raises:
            Forbidden: no link of this owner is good any more.
        """
        if not owner:
            return 0
        key = await self.find(owner) if id_of(f"dk_{owner}_{'0' * 64}") else None
        if key is None or not key.live:
            raise Forbidden("this link is not good any more, or not one of ours")
        return key.made

    async def opened(self, request: web.Request, token: str) -> Key | None:
        """Return the live key that ``token`` is; None if it is none.

        Raises:
            RateLimited: too much that was shown from there was not good.
        """
        key_id = id_of(token)
        if key_id is None or key_id not in self._known:
            await self._toll.may_try(request)
        key = await self.find(key_id) if key_id else None
        return key if key and key.opens(token) and key.live else None

    async def find(self, key_id: str) -> Key | None:
        """Return the key of that id as it was at most KEY_SECONDS ago, void or not."""
        now = asyncio.get_running_loop().time()
        until, key = self._known.get(key_id, (0.0, None))
        if key is not None and now < until:
            return key
        key = await self._store.keys.get(key_id)
        if key is None:
            self._known.pop(key_id, None)
            return None
        if len(self._known) >= _MOST and key_id not in self._known:
            del self._known[next(iter(self._known))]
        self._known[key_id] = now + self._settings.key_seconds, key
        return key

    async def _used(self, key: Key, means: Literal["key", "session"]) -> Caller:
        structlog.contextvars.bind_contextvars(key=key.id)
        if key.stale:
            until, _ = self._known.get(key.id, (0.0, None))
            key = key.model_copy(update={"used_at": datetime.now(UTC)})
            self._known[key.id] = until, key
            await self._store.keys.used(key.id)
        return Caller.of(key, means)


def shown(request: web.Request) -> str | None:
    """Return the key that a request's headers show; None: they show none.

    Raises:
        BadRequest: two different ones. Unauthorized: something else than a key.
    """
    found = [each.strip() for each in request.headers.getall(HEADER, [])]
    for each in request.headers.getall("Authorization", []):
        scheme, _, token = each.partition(" ")
        if scheme.lower() == "bearer":
            found.append(token.strip())
        elif not found:
            raise Unauthorized(_HOW)
    if len(set(found)) > 1:
        raise BadRequest(f"several keys came; send one, in Authorization or in {HEADER}")
    return found[0] if found else None


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)
