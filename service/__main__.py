"""``python -m service``: the HTTP service, until SIGINT or SIGTERM."""

from __future__ import annotations

import sys

import structlog
from aiohttp import web

from models.errors import BadSettings
from models.log import configure
from models.settings import Settings
from service.app import create_app


def main() -> int:
    settings = Settings()
    configure(settings, "service")
    try:
        settings.with_stores()
    except BadSettings as error:
        structlog.get_logger().error("bad_settings", detail=error.detail)
        return 2
    web.run_app(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        # Idle connections and half-sent headers are closed then; aiohttp's default is an hour.
        keepalive_timeout=settings.keepalive_timeout,
        shutdown_timeout=settings.shutdown_timeout,
        access_log=None,  # service.requests writes one line a request, with its id
        print=None,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
