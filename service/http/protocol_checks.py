"""Checks of the HTTP protocol against request smuggling, and of the Expect header."""

from __future__ import annotations

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.typedefs import Handler

from service.http.errors import problem_response


@web.middleware
async def request_smuggling_middleware(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Middleware against request smuggling: refuse what a proxy may parse differently.

    The parser already refuses two lengths, a length with chunked coding, bare line feeds etc.
    """
    version, coding = request.version, request.headers.get("Transfer-Encoding")
    if version not in {HttpVersion10, HttpVersion11}:
        return _final_response(505, "unsupported HTTP version; use HTTP/1.1 or 1.0")
    if coding is not None and (version == HttpVersion10 or coding.strip().lower() != "chunked"):
        return _final_response(
            400, "unsupported Transfer-Encoding; only chunked is accepted, and not in HTTP 1.0"
        )
    return await handler(request)


def _final_response(status: int, detail: str) -> web.Response:
    refusal = problem_response(status, "bad_request", detail, headers={"Connection": "close"})
    refusal.force_close()
    return refusal


async def handle_expect(request: web.Request) -> web.Response | None:
    """Handle the Expect header; aiohttp's handler would send errors as plain text."""
    if request.headers["Expect"].lower() != "100-continue":
        return problem_response(417, "bad_request", "Expect must be 100-continue")
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None
