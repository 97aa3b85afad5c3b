"""Who may see the dashboard: whoever has ADMIN_TOKEN, or this machine while none is set."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web

from models.errors import Forbidden, RateLimited, Unauthorized
from models.settings import Settings
from models.store import Store
from models.tokens import Tokens
from service.client import party
from service.hosts import authority, hostname, is_loopback

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

    def __init__(self, settings: Settings, store: Store, tokens: Tokens) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._token = settings.admin_token.get_secret_value()
        self._blocked: dict[str, tuple[float, RateLimited]] = {}

    @property
    def locked(self) -> bool:
        """Whether ADMIN_TOKEN is set."""
        return bool(self._token)

    async def admit(self, request: web.Request, *, change: bool = False) -> None:
        """Return if the request may pass; ``change``: it asks for something to be done.

        Raises:
            Forbidden: it comes from elsewhere than it may. Unauthorized: it shows no token.
            RateLimited: so many wrong tokens came that none is looked at for a while.
        """
        if not self.locked:
            self._local(request)
            if change:
                self.own(request, must=False)
        elif "Authorization" in request.headers:
            scheme, _, token = request.headers["Authorization"].partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthorized("the dashboard takes Authorization: Bearer <ADMIN_TOKEN>")
            await self.check(request, token.strip())
        elif self._tokens.is_session(request.cookies.get(COOKIE, "")):
            if change:
                self.own(request, must=True)
        else:
            raise Unauthorized(
                "send Authorization: Bearer <ADMIN_TOKEN>, or log in at /dashboard/login"
            )

    async def check(self, request: web.Request, token: str) -> None:
        """Return if ``token`` is ADMIN_TOKEN; wrong ones are counted.

        Raises:
            Unauthorized: it is not. RateLimited: too many were wrong, so this one is not looked at.
        """
        client = party(request)
        for whose in (_EVERYBODY, client):
            until, refusal = self._blocked.get(whose, (0.0, None))
            if refusal and asyncio.get_running_loop().time() < until:
                raise refusal
        if self._tokens.is_same(token, self._token):
            return
        await self._count(client)
        log.warning("login_failed", client=client)
        raise Unauthorized("this is not ADMIN_TOKEN")

    async def look(self, request: web.Request) -> None:
        """Return if a login of this client would be looked at.

        Raises:
            RateLimited: too many were wrong; also those that another service saw.
        """
        for whose, name, limit in self._limits(party(request)):
            wait = await self._store.quotas.left(self._key(whose), limit)
            if wait:
                raise self._block(whose, name, limit, wait)

    async def _count(self, client: str) -> None:
        for whose, name, limit in self._limits(client):
            wait = await self._store.quotas.hit(self._key(whose), limit)
            if wait:
                log.warning("logins_blocked", client=client, setting=name)
                raise self._block(whose, name, limit, wait)

    def _limits(self, client: str) -> tuple[tuple[str, str, int], ...]:
        own, total = self._settings.admin_logins, self._settings.admin_logins_total
        return (
            (client, "ADMIN_LOGINS", own),
            (_EVERYBODY, "ADMIN_LOGINS_TOTAL", total),
        )

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

    def own(self, request: web.Request, *, must: bool) -> None:
        """Return if a page of ours made the request.

        Browsers say where a request that changes something comes from, programs need not:
        ``must`` they, too?

        Raises:
            Forbidden: another site's page made it.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site == "same-origin":  # no script can say so
            return
        if site is not None:
            raise Forbidden("this was asked by a page of another site, and not done")
        if origin is not None:
            if authority(origin) not in {request.host.lower(), authority(self._settings.url)}:
                raise Forbidden(
                    "this was asked by a page of another origin, and not done; behind a proxy "
                    "pass the Host header on, or set PUBLIC_URL",
                    setting="PUBLIC_URL",
                )
        elif must:
            raise Forbidden("send Origin or Sec-Fetch-Site with the cookie, or the token itself")


GATE = web.AppKey("gate", Gate)


def gate(request: web.Request) -> Gate:
    """Return the gate of this service."""
    return request.app[GATE]


def is_https(request: web.Request, settings: Settings) -> bool:
    """Tell whether the client came by https, as far as we and our proxies know."""
    said = request.headers.get("X-Forwarded-Proto", "") if settings.proxies else ""
    return request.secure or said.rpartition(",")[2].strip().lower() == "https"
