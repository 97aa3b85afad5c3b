"""Webhook loop protection: refuses requests that are webhooks of a Darkroom."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import Forbidden


@web.middleware
async def webhook_loop_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: refuse webhooks, since one to our own /retry would loop forever.

    Every webhook carries this header, whatever host name its URL uses.

    Raises:
        Forbidden: the request is a webhook.
    """
    if "webhook-signature" in request.headers:
        raise Forbidden("webhook refused: this service does not receive webhooks")
    return await handler(request)
