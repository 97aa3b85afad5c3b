"""Rate limits and hourly quotas of requests (throttle), and the RateLimit headers."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.outbox.email_address import mailbox
from models.redis.rate_limiter import RateLimiter, RateLimitState
from service.app_keys import SETTINGS, TOKENS
from service.auth.identity import identity
from service.http.request_context import CLIENT_IP

log = structlog.get_logger()

RATE_LIMITER = web.AppKey("rate_limiter", RateLimiter)
_TIGHTEST_LIMIT = web.RequestKey("tightest_rate_limit", RateLimitState)
_AUTH_FAILURES = "RATE_LIMIT_AUTH_FAILURES"


async def count_request(request: web.Request, setting: str, client: str) -> None:
    """Count a request of ``client``, an address or the id of a key, if RATE_LIMITS are on.

    Raises:
        RateLimited: limit exceeded.
    """
    if request.app[SETTINGS].rate_limits_enabled:
        await _count(request, setting, client)


async def count_call(request: web.Request, setting: str, apart: str = "") -> None:
    """Count a call that has an hourly quota for each client, such as MAIL_PER_CLIENT.

    ``apart``: calls of this kind have a quota of their own, of the same size.

    Raises:
        RateLimited: as for ``count_request``.
    """
    owner = identity(request).owner
    client = f"key:{owner}" if owner else request[CLIENT_IP]
    await _count(request, setting, f"{apart}:{client}" if apart else client)


async def count_email(request: web.Request, address: str) -> RateLimitState:
    """Count an e-mail to the mailbox of ``address``; the state says whether it is allowed.

    It counts whether or not an e-mail follows, so that a refusal does not reveal subscriptions.
    """
    client = request.app[TOKENS].pseudonym(f"address:{mailbox(address)}")
    state = await request.app[RATE_LIMITER].hit("MAIL_PER_ADDRESS", client)
    assert state is not None  # this setting has no empty value
    return state


async def check_failures(request: web.Request) -> None:
    """Return if the address may try to authenticate, also while Redis is away.

    Raises:
        RateLimited: too many failures.
    """
    if request.app[SETTINGS].rate_limits_enabled:
        _note(request, await request.app[RATE_LIMITER].peek(_AUTH_FAILURES, request[CLIENT_IP]))


async def count_failure(request: web.Request) -> None:
    """Count a failed authentication.

    Raises:
        RateLimited: too many failures.
    """
    log.warning("auth_failed", client=request[CLIENT_IP], path=request.path[:200])
    if request.app[SETTINGS].rate_limits_enabled:
        await _count(request, _AUTH_FAILURES, request[CLIENT_IP])


async def _count(request: web.Request, setting: str, client: str) -> None:
    _note(request, await request.app[RATE_LIMITER].hit(setting, client))


def _note(request: web.Request, state: RateLimitState | None) -> None:
    """Remember the tightest limit for the headers; refuse what it does not allow."""
    if state is None:
        return
    tightest = request.get(_TIGHTEST_LIMIT, state)
    request[_TIGHTEST_LIMIT] = min(tightest, state, key=lambda each: each.tightness)
    if not state.allowed:
        failures = state.setting == _AUTH_FAILURES
        raise state.refusal("failed authentications" if failures else "requests")


async def set_rate_limit_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: set the RateLimit headers of the tightest limit."""
    state = request.get(_TIGHTEST_LIMIT)
    if state is not None:
        name = state.setting.lower().replace("_", "-")
        response.headers["RateLimit-Policy"] = f'"{name}";q={state.limit};w={state.window_seconds}'
        response.headers["RateLimit"] = f'"{name}";r={state.remaining};t={state.reset_seconds}'
