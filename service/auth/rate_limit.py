"""Rate limiter: counts requests per API key and address, sets the RateLimit headers (throttle)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from models.auth.rate_limit_types import RateLimit, RateLimitState
from models.errors import RateLimited
from models.settings import Settings
from service.auth.identity import Identity
from service.http.client_ip import CLIENT_IP

if TYPE_CHECKING:  # takes half a second to import; not needed without limits
    from models.redis.rate_counters import RateCounters

log = structlog.get_logger()

_TIGHTEST_LIMIT = web.RequestKey("tightest_rate_limit", RateLimitState)
_FAILURES_SETTING = "RATE_LIMIT_AUTH_FAILURES"


class RateLimiter:
    """Counts requests if RATE_LIMITS is on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counters: RateCounters | None = None
        if settings.rate_limits_enabled:
            from models.redis.rate_counters import RateCounters

            self._counters = RateCounters(settings)

    async def close(self) -> None:
        if self._counters is not None:
            await self._counters.close()

    async def count_address(self, request: web.Request, kind: str) -> None:
        """Count a request of the address, before authentication; ``kind``: submit or read.

        Raises:
            RateLimited: limit exceeded. StoreUnavailable: Redis is unavailable and
            RATE_LIMIT_FAIL_MODE=closed.
        """
        await self._hit(request, f"RATE_LIMIT_{kind.upper()}_ADDRESS", request[CLIENT_IP])

    async def count_key(self, request: web.Request, identity: Identity, kind: str) -> None:
        """Count a request of the API key, if there is one.

        Raises:
            RateLimited, StoreUnavailable: as for ``count_address``.
        """
        if identity.key is not None:
            await self._hit(request, f"RATE_LIMIT_{kind.upper()}", identity.key.id)

    async def check_failures(self, request: web.Request) -> None:
        """Return if the address may try to authenticate.

        Raises:
            RateLimited: too many failures.
        """
        await self._hit(request, _FAILURES_SETTING, request[CLIENT_IP], count=False)

    async def count_failure(self, request: web.Request) -> None:
        """Count a failed authentication.

        Raises:
            RateLimited: too many failures.
        """
        log.warning("auth_failed", client=request[CLIENT_IP], path=request.path[:200])
        await self._hit(request, _FAILURES_SETTING, request[CLIENT_IP])

    async def _hit(
        self, request: web.Request, setting: str, client: str, *, count: bool = True
    ) -> None:
        if self._counters is None:
            return
        rate_limit = RateLimit(setting, getattr(self._settings, setting.lower()), client)
        read_counter = self._counters.hit if count else self._counters.peek
        state = await read_counter([rate_limit])
        if state is None:
            return
        tightest = request.get(_TIGHTEST_LIMIT, state)
        request[_TIGHTEST_LIMIT] = min(
            tightest, state, key=lambda s: (s.allowed, s.remaining / s.limit)
        )
        if not state.allowed:
            raise self._rate_limited(state)

    def _rate_limited(self, state: RateLimitState) -> RateLimited:
        setting = state.rate_limit.setting
        counted = "failed authentications" if setting == _FAILURES_SETTING else "requests"
        return RateLimited(
            f"more than {state.limit} {counted} in {state.window_seconds} s "
            f"({setting}); retry in {state.reset_seconds} s",
            setting=setting,
            limit=state.limit,
            measured=state.limit + 1,
            retry_after=state.reset_seconds,
        )


async def set_rate_limit_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: set the RateLimit headers of the tightest limit."""
    state = request.get(_TIGHTEST_LIMIT)
    if state is not None:
        name = state.rate_limit.setting.lower().replace("_", "-")
        response.headers["RateLimit-Policy"] = f'"{name}";q={state.limit};w={state.window_seconds}'
        response.headers["RateLimit"] = f'"{name}";r={state.remaining};t={state.reset_seconds}'


RATE_LIMITER = web.AppKey("rate_limiter", RateLimiter)
