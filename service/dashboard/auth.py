"""Authentication of the dashboard: ADMIN_TOKEN, an admin key, or loopback without either."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web

from models.auth.api_key import ApiKey, Scope, key_id_of
from models.auth.tokens import Tokens
from models.errors import Forbidden, RateLimited, Unauthorized
from models.loopback import is_loopback
from models.settings import Settings
from models.store import Store
from service.auth.authenticator import API_KEY_HEADER, Authenticator, token_from_headers
from service.auth.identity import ip_pseudonym
from service.auth.session import read_cookie
from service.http.allowed_hosts import request_hostname
from service.http.csrf import require_same_origin

log = structlog.get_logger()

SESSION_COOKIE = "darkroom_session"
DASHBOARD_PATH = "/dashboard"
_PROXY_HEADERS = (
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
_MAX_BLOCKED_CLIENTS = 10_000  # blocked clients kept in memory; MongoDB counts the failures of all
_ALL_CLIENTS = "admin"


class DashboardAuth:
    """Authorizes requests to the dashboard; one per service process."""

    def __init__(
        self, settings: Settings, store: Store, tokens: Tokens, authenticator: Authenticator
    ) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._authenticator = authenticator
        self._admin_token = settings.admin_token.get_secret_value()
        self._blocked: dict[str, tuple[float, RateLimited]] = {}

    @property
    def login_required(self) -> bool:
        """Whether a token or key is needed: ADMIN_TOKEN is set, or API keys are on."""
        return bool(self._admin_token) or self._settings.api_keys_enabled

    async def authorize(self, request: web.Request, *, change: bool = False) -> None:
        """Return if the request is allowed; ``change``: it changes something, so check its origin.

        Raises:
            Forbidden: it comes from another machine or site. Unauthorized: it has no valid token.
            RateLimited: its client sent too many wrong tokens.
        """
        if not self.login_required:
            self._require_loopback(request)
            if change:
                require_same_origin(request, self._settings, require_headers=False)
        elif "Authorization" in request.headers or API_KEY_HEADER in request.headers:
            await self.verify_token(request, token_from_headers(request) or "")
        elif await self._has_admin_session(request):
            if change:
                require_same_origin(request, self._settings, require_headers=True)
        else:
            raise Unauthorized(
                "send Authorization: Bearer <ADMIN_TOKEN>, or a key with the scope admin; "
                "in a browser, log in at /dashboard/login"
            )

    async def _has_admin_session(self, request: web.Request) -> bool:
        if self._admin_token and self._tokens.is_session_valid(
            read_cookie(request, SESSION_COOKIE)
        ):
            return True
        if not self._settings.api_keys_enabled:
            return False
        found = await self._authenticator.session_identity(request)
        return found is not None and found.key is not None and found.key.allows(Scope.ADMIN)

    async def verify_token(self, request: web.Request, token: str) -> ApiKey | None:
        """Return None if ``token`` is ADMIN_TOKEN, or the admin key that it is; count wrong ones.

        Raises:
            Unauthorized: it is neither. Forbidden: it is a key without the scope admin.
            RateLimited: this client sent too many wrong tokens, so even a right one fails; or all
            clients together did, and this one is wrong too. The limit of all clients spares right
            tokens, so that strangers cannot lock operators out.
        """
        client = ip_pseudonym(request)
        self._raise_if_blocked(client)
        if self._admin_token and self._tokens.equal(token, self._admin_token):
            return None
        if self._settings.api_keys_enabled and key_id_of(token):
            key = await self._authenticator.key_of_token(request, token)
            if key is not None and not key.allows(Scope.ADMIN):
                raise Forbidden(
                    "this key lacks the scope admin; use a key that has it, or ADMIN_TOKEN",
                    scope=str(Scope.ADMIN),
                )
            if key is not None:
                return key
        await self._count_failure(client)
        log.warning("login_failed", client=client)
        raise Unauthorized("wrong token: send ADMIN_TOKEN or a key with the scope admin")

    async def reject_blocked_client(self, request: web.Request) -> None:
        """Return if this client may try to log in.

        Raises:
            RateLimited: it sent too many wrong tokens, to this or to another service process.
        """
        client, limit = ip_pseudonym(request), self._settings.admin_login_failures
        self._raise_if_blocked(client)
        wait = await self._store.quotas.retry_after(self._quota_key(client), limit)
        if wait:
            raise self._block(client, "ADMIN_LOGIN_FAILURES", limit, wait)

    async def _count_failure(self, client: str) -> None:
        own_limit, total_limit = (
            self._settings.admin_login_failures,
            self._settings.admin_login_failures_total,
        )
        for counted, setting, limit in (
            (client, "ADMIN_LOGIN_FAILURES", own_limit),
            (_ALL_CLIENTS, "ADMIN_LOGIN_FAILURES_TOTAL", total_limit),
        ):
            self._raise_if_blocked(counted)
            wait = await self._store.quotas.consume(self._quota_key(counted), limit)
            if wait:
                log.warning("logins_blocked", client=client, setting=setting)
                raise self._block(counted, setting, limit, wait)

    def _raise_if_blocked(self, client: str) -> None:
        until, refusal = self._blocked.get(client, (0.0, None))
        if refusal and asyncio.get_running_loop().time() < until:
            raise refusal

    @staticmethod
    def _quota_key(client: str) -> str:
        return f"login:{client}"

    def _block(self, client: str, setting: str, limit: int, wait: int) -> RateLimited:
        refusal = RateLimited(
            f"more than {limit} wrong tokens within an hour ({setting}); try again in {wait} s",
            setting=setting,
            limit=limit,
            measured=limit + 1,
            retry_after=wait,
        )
        if len(self._blocked) >= _MAX_BLOCKED_CLIENTS:
            del self._blocked[next(iter(self._blocked))]
        self._blocked[client] = (asyncio.get_running_loop().time() + wait, refusal)
        return refusal

    def _require_loopback(self, request: web.Request) -> None:
        """Return if the request came from this machine and names a loopback host.

        The name matters because of DNS rebinding: with a foreign name that resolves to 127.0.0.1,
        another site's page could read the dashboard.
        """
        settings = self._settings
        reasons = {
            f"HOST={settings.host} is not loopback": not is_loopback(settings.host),
            f"PROXIES={settings.proxies}": settings.proxies > 0,
            "the request came through a proxy": any(h in request.headers for h in _PROXY_HEADERS),
            "the request came from another machine": not is_loopback(request.remote or ""),
            "the request names a host other than localhost": not is_loopback(
                request_hostname(request)
            ),
        }
        for reason, applies in reasons.items():
            if applies:
                raise Forbidden(
                    "without ADMIN_TOKEN the dashboard is open to this machine only, and "
                    f"{reason}: set ADMIN_TOKEN (16 characters or more, e.g. from "
                    "`openssl rand -hex 16`), or open http://localhost on the machine itself",
                    setting="ADMIN_TOKEN",
                )


DASHBOARD_AUTH = web.AppKey("dashboard_auth", DashboardAuth)


def dashboard_auth(request: web.Request) -> DashboardAuth:
    """Return the dashboard authentication of the application."""
    return request.app[DASHBOARD_AUTH]
