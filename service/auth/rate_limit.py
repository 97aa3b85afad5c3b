"""How often somebody may call: what is counted for whom, and what they are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from models.auth.rate_limit_types import Bound, Reading
from models.errors import RateLimited
from models.settings import Settings
from service.auth.identity import Caller
from service.http.client_ip import client_of

if TYPE_CHECKING:  # it takes half a second to import, and is not needed where nothing is counted
    from models.redis.rate_counters import Rates

log = structlog.get_logger()

_READING = web.RequestKey("reading", Reading)
_FAILURES = "RATE_LIMIT_FAILURES"


class Toll:
    """Counts calls where RATE_LIMITS says so; one for each service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rates: Rates | None = None
        if settings.rates_on:
            from models.redis.rate_counters import Rates

            self._rates = Rates(settings)

    async def close(self) -> None:
        if self._rates is not None:
            await self._rates.close()

    async def arrived(self, request: web.Request, what: str) -> None:
        """Count a call of an address, whoever it will turn out to be; ``what``: submit or read.

        Raises:
            RateLimited: one more than may be. StoreUnavailable: it cannot be counted, and
            RATE_LIMIT_FAIL=closed.
        """
        await self._hit(request, f"RATE_LIMIT_{what.upper()}_ADDRESS", self._address(request))

    async def count(self, request: web.Request, caller: Caller, what: str) -> None:
        """Count a call of a key, if one was shown.

        Raises:
            RateLimited, StoreUnavailable: as for ``arrived``.
        """
        if caller.key is not None:
            await self._hit(request, f"RATE_LIMIT_{what.upper()}", caller.key.id)

    async def may_try(self, request: web.Request) -> None:
        """Return if something that a client shows is to be looked at.

        Raises:
            RateLimited: too much from there was not good.
        """
        await self._hit(request, _FAILURES, self._address(request), count=False)

    async def failed(self, request: web.Request) -> None:
        """Count that what a client showed was not good.

        Raises:
            RateLimited: too much was.
        """
        log.warning("not_let_in", client=self._address(request), path=request.path[:200])
        await self._hit(request, _FAILURES, self._address(request))

    async def _hit(
        self, request: web.Request, name: str, whose: str, *, count: bool = True
    ) -> None:
        if self._rates is None:
            return
        bound = Bound(name, getattr(self._settings, name.lower()), whose)
        ask = self._rates.hit if count else self._rates.look
        reading = await ask([bound])
        if reading is None:
            return
        known = request.get(_READING, reading)
        request[_READING] = min(
            known, reading, key=lambda each: (each.passed, each.left / each.limit)
        )
        if not reading.passed:
            raise self._refusal(reading)

    def _refusal(self, reading: Reading) -> RateLimited:
        setting = reading.bound.setting
        what = "wrong keys or signatures" if setting == _FAILURES else "such calls"
        return RateLimited(
            f"more than {reading.limit} {what} in {reading.window} s ({setting}); the next one is "
            f"looked at in {reading.reset} s",
            setting=setting,
            limit=reading.limit,
            measured=reading.limit + 1,
            retry_after=reading.reset,
        )

    def _address(self, request: web.Request) -> str:
        return client_of(request, self._settings.proxies)


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: how the limit stands that is nearest (RateLimit headers)."""
    reading = request.get(_READING)
    if reading is not None:
        name = reading.bound.setting.lower().replace("_", "-")
        response.headers["RateLimit-Policy"] = f'"{name}";q={reading.limit};w={reading.window}'
        response.headers["RateLimit"] = f'"{name}";r={reading.left};t={reading.reset}'


TOLL = web.AppKey("toll", Toll)
