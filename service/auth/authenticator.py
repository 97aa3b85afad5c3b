"""Authentication by API key header, session cookie or signed link."""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from aiohttp import web

from models.auth import signed_links
from models.auth.api_key import ApiKey, key_id_of
from models.auth.tokens import Tokens
from models.auth.visibility import View
from models.errors import BadRequest, Forbidden, LinkExpired, Unauthorized
from models.settings.http import HttpSettings
from models.store import Store
from service.auth.identity import ANONYMOUS, Identity, identity
from service.auth.rate_limit import check_failures, count_failure
from service.auth.session import SESSION_COOKIE, read_cookie
from service.http.csrf import require_same_origin

log = structlog.get_logger()

API_KEY_HEADER = "X-API-Key"
SAFE_METHODS = frozenset({"GET", "HEAD"})
_MAX_CACHED_KEYS = 10_000
_KEY_CACHE_SECONDS = 2.0  # a revoked key passes for as long; without it, a query for each request
_HOW_TO_SEND = "send Authorization: Bearer <key>"


class Authenticator:
    """Authenticates requests; caches keys for two seconds.

    Malformed tokens, and addresses with too many failures, cause no MongoDB query.
    """

    def __init__(self, settings: HttpSettings, store: Store, tokens: Tokens) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._key_cache: dict[str, tuple[float, ApiKey]] = {}

    async def identify(self, request: web.Request) -> Identity:
        """Return the identity of the request; ``ANONYMOUS`` without credentials.

        Raises:
            Unauthorized: invalid key. Forbidden: cross-site request with a session.
            RateLimited: too many failures from this address.
            StoreUnavailable: the key cannot be looked up.
        """
        token = token_from_headers(request)
        if token is not None:
            key = await self.key_of_token(request, token)
            if key is None:
                await count_failure(request)
                raise Unauthorized(f"invalid API key: unknown, revoked or expired; {_HOW_TO_SEND}")
            return await self._identity_of(key, "key")
        found = await self.session_identity(request)
        if found is None:
            return ANONYMOUS
        if request.method not in SAFE_METHODS:
            require_same_origin(request, self._settings, require_headers=True)
        return found

    async def session_identity(self, request: web.Request) -> Identity | None:
        """Return the identity of the session cookie; None if it is missing or no longer valid."""
        session = self._tokens.read_key_session(read_cookie(request, SESSION_COOKIE))
        if session is None:
            return None
        key = await self.find_key(session[0])
        if key is None or not key.active or key.generation != session[1]:
            return None
        return await self._identity_of(key, "session")

    async def is_still_valid(self, identity: Identity) -> bool:
        """Tell whether the key of ``identity`` is unchanged and still active."""
        if identity.key is None:
            return True
        key = await self.find_key(identity.key.id)
        return key is not None and key.active and key.generation == identity.key.generation

    async def revalidate(self, request: web.Request) -> None:
        """Check the credentials again after a long upload or poll; the cache is two seconds old.

        Raises:
            Unauthorized: the key was revoked, rotated or expired. Forbidden: the link is invalid.
            StoreUnavailable: the key cannot be looked up.
        """
        client = identity(request)
        if client.means == "link":
            await self.identify_by_link(request)
        elif not await self.is_still_valid(client):
            raise Unauthorized("API key is no longer valid: revoked, rotated or expired meanwhile")

    async def identify_by_link(self, request: web.Request) -> Identity:
        """Return the identity of a signed link: it sees what the link leads to.

        Raises:
            Forbidden: invalid signature or revoked key. LinkExpired: the link expired.
            RateLimited: too many failures from this address.
        """
        await check_failures(request)
        try:
            link = signed_links.parse(request.path, request.query)
            generation = await self.link_generation(link.owner)
            link.verify(self._tokens, generation, request.query.get(signed_links.SIGNATURE, ""))
        except Forbidden as error:
            if not isinstance(error, LinkExpired):  # it was valid once, so it is not a guess
                await count_failure(request)
            raise
        return Identity(None, "link", View(link.owner))

    async def link_generation(self, owner: str) -> int:
        """Return the key generation with which links of ``owner`` are signed.

        Raises:
            Forbidden: the owner's key is not active.
        """
        if not owner:
            return 0
        key = await self.find_key(owner) if key_id_of(f"dk_{owner}_{'0' * 64}") else None
        if key is None or not key.active:
            raise Forbidden("invalid link: wrong signature, or its key was revoked")
        return key.generation

    async def key_of_token(self, request: web.Request, token: str) -> ApiKey | None:
        """Return the active key of ``token``; None if there is none.

        Raises:
            RateLimited: too many failures from this address.
        """
        key_id = key_id_of(token)
        if key_id is None or key_id not in self._key_cache:
            await check_failures(request)
        key = await self.find_key(key_id) if key_id else None
        return key if key and key.matches(token) and key.active else None

    async def find_key(self, key_id: str) -> ApiKey | None:
        """Return the key, active or not, at most two seconds old."""
        now = asyncio.get_running_loop().time()
        until, key = self._key_cache.get(key_id, (0.0, None))
        if key is not None and now < until:
            return key
        key = await self._store.api_keys.get(key_id)
        if key is None:
            self._key_cache.pop(key_id, None)
            return None
        if len(self._key_cache) >= _MAX_CACHED_KEYS and key_id not in self._key_cache:
            del self._key_cache[next(iter(self._key_cache))]
        self._key_cache[key_id] = now + _KEY_CACHE_SECONDS, key
        return key

    async def _identity_of(self, key: ApiKey, means: Literal["key", "session"]) -> Identity:
        structlog.contextvars.bind_contextvars(key=key.id)
        if key.used_at_stale:
            until, _ = self._key_cache.get(key.id, (0.0, None))
            key = key.model_copy(update={"used_at": key.seen_at})
            self._key_cache[key.id] = until, key
            await self._store.api_keys.mark_used(key.id)
        return Identity.of(key, means)


def token_from_headers(request: web.Request) -> str | None:
    """Return the API key in the request headers; None if there is none.

    Raises:
        BadRequest: two different keys. Unauthorized: another authorization scheme.
    """
    tokens = [value.strip() for value in request.headers.getall(API_KEY_HEADER, [])]
    for header in request.headers.getall("Authorization", []):
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer":
            tokens.append(token.strip())
        elif not tokens:
            raise Unauthorized(_HOW_TO_SEND)
    if len(set(tokens)) > 1:
        raise BadRequest(f"several API keys; send one, in Authorization or in {API_KEY_HEADER}")
    return tokens[0] if tokens else None


AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
