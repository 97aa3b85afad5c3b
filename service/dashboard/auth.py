"""Who may see the dashboard: who has ADMIN_TOKEN or an admin's key, or this machine."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web

from models.auth.api_key import Key, Scope, id_of
from models.auth.tokens import Tokens
from models.errors import Forbidden, RateLimited, Unauthorized
from models.loopback import is_loopback
from models.settings import Settings
from models.store import Store
from service.auth.authenticator import HEADER, Doorkeeper, shown
from service.cookies import cookie
from service.http.allowed_hosts import hostname
from service.http.client_ip import pseudonym
from service.http.csrf import own

log = structlog.get_logger()

COOKIE = "darkroom_session"
PATH = "/dashboard"
_FORWARDED = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
)
_MOST_BLOCKED = 10_000  # clients remembered as blocked; the ledger knows them all
_EVERYBODY = "admin"


class Gate:
    """Judges requests to the dashboard; one for each service."""

    def __init__(
        self, settings: Settings, store: Store, tokens: Tokens, doorkeeper: Doorkeeper
    ) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._doorkeeper = doorkeeper
        self._token = settings.admin_token.get_secret_value()
        self._blocked: dict[str, tuple[float, RateLimited]] = {}

    @property
    def locked(self) -> bool:
        """Whether something must be shown: ADMIN_TOKEN is set, or keys are on."""
        return bool(self._token) or self._settings.keys_on

    async def admit(self, request: web.Request, *, change: bool = False) -> None:
        """Return if the request may pass; ``change``: it asks for something to be done.

        Raises:
            Forbidden: it comes from elsewhere than it may. Unauthorized: it shows no token.
            RateLimited: so many wrong tokens came from there that none is looked at for a while.
        """
        if not self.locked:
            self._local(request)
            if change:
                own(request, self._settings, must=False)
        elif "Authorization" in request.headers or HEADER in request.headers:
            await self.check(request, shown(request) or "")
        elif await self._logged_in(request):
            if change:
                own(request, self._settings, must=True)
        else:
            raise Unauthorized(
                "send Authorization: Bearer <ADMIN_TOKEN>, or an admin's key; people log "
                "in at /dashboard/login"
            )

    async def _logged_in(self, request: web.Request) -> bool:
        if self._token and self._tokens.is_session(cookie(request, COOKIE)):
            return True
        if not self._settings.keys_on:
            return False
        found = await self._doorkeeper.session(request)
        return found is not None and found.key is not None and found.key.allows(Scope.ADMIN)

    async def check(self, request: web.Request, token: str) -> Key | None:
        """Return if ``token`` is ADMIN_TOKEN, or the admin's key that it is; wrong ones count.

        Raises:
            Unauthorized: it is neither. Forbidden: a key, but no admin's.
            RateLimited: too many of this client were wrong, so this one is not looked at; or too
            many of all clients, and this one is wrong, too: else strangers could lock us out.
        """
        client = pseudonym(request)
        self._unblocked(client)
        if self._token and self._tokens.is_same(token, self._token):
            return None
        if self._settings.keys_on and id_of(token):
            key = await self._doorkeeper.opened(request, token)
            if key is not None and not key.allows(Scope.ADMIN):
                raise Forbidden("this key lacks the scope admin", scope=str(Scope.ADMIN))
            if key is not None:
                return key
        await self._count(client)
        log.warning("login_failed", client=client)
        raise Unauthorized("this is not ADMIN_TOKEN, nor a key")

    async def look(self, request: web.Request) -> None:
        """Return if a login of this client would be looked at.

        Raises:
            RateLimited: too many of its were wrong; also those that another service saw.
        """
        client, limit = pseudonym(request), self._settings.admin_logins
        self._unblocked(client)
        wait = await self._store.quotas.left(self._key(client), limit)
        if wait:
            raise self._block(client, "ADMIN_LOGINS", limit, wait)

    async def _count(self, client: str) -> None:
        own, total = self._settings.admin_logins, self._settings.admin_logins_total
        for whose, name, limit in (
            (client, "ADMIN_LOGINS", own),
            (_EVERYBODY, "ADMIN_LOGINS_TOTAL", total),
        ):
            self._unblocked(whose)
            wait = await self._store.quotas.hit(self._key(whose), limit)
            if wait:
                log.warning("logins_blocked", client=client, setting=name)
                raise self._block(whose, name, limit, wait)

    def _unblocked(self, whose: str) -> None:
        until, refusal = self._blocked.get(whose, (0.0, None))
        if refusal and asyncio.get_running_loop().time() < until:
            raise refusal

    @staticmethod
    def _key(whose: str) -> str:
        return f"login:{whose}"

    def _block(self, whose: str, name: str, limit: int, wait: int) -> RateLimited:
        refusal = RateLimited(
            f"more than {limit} wrong tokens within an hour ({name}); the next one is looked at "
            f"in {wait} s",
            setting=name,
            limit=limit,
            measured=limit + 1,
            retry_after=wait,
        )
        if len(self._blocked) >= _MOST_BLOCKED:
            del self._blocked[next(iter(self._blocked))]
        self._blocked[whose] = (asyncio.get_running_loop().time() + wait, refusal)
        return refusal

    def _local(self, request: web.Request) -> None:
        """Return if the request was made on this machine, by a name that no stranger can give it.

        A name of a stranger's that leads to 127.0.0.1 would let his page read ours.
        """
        settings = self._settings
        reasons = {
            f"HOST={settings.host} is not loopback": not is_loopback(settings.host),
            f"PROXIES={settings.proxies}": settings.proxies > 0,
            "the request comes through a proxy": any(h in request.headers for h in _FORWARDED),
            "the request comes from another machine": not is_loopback(request.remote or ""),
            "the request is for another host than localhost": not is_loopback(hostname(request)),
        }
        for reason, holds in reasons.items():
            if holds:
                raise Forbidden(
                    f"without ADMIN_TOKEN the dashboard answers only this machine, and {reason}: "
                    "set ADMIN_TOKEN (16 characters or more, e.g. from `openssl rand -hex 16`), "
                    "or open http://localhost on the machine itself",
                    setting="ADMIN_TOKEN",
                )


GATE = web.AppKey("gate", Gate)


def gate(request: web.Request) -> Gate:
    """Return the gate of this service."""
    return request.app[GATE]
