"""``python -m service``: the HTTP service; ``python -m service health``: whether it lives."""

from __future__ import annotations

import argparse
import resource
import sys
import urllib.error
import urllib.request

from aiohttp import web

from models.errors import BadSettings
from models.log import configure
from models.settings import Settings
from service.app import create_app
from service.requests import quieten


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "health"], default="run")
    what = parser.parse_args().what
    try:
        settings = Settings.load().with_stores().with_folders()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    return health(settings) if what == "health" else run(settings)


def run(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM."""
    configure(settings, "service")
    quieten()
    _open_many_files()
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


def _open_many_files() -> None:
    """Allow as many open files as the system lets us: the usual 1024 are a few hundred uploads."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def health(settings: Settings) -> int:
    """Return 0 if the service on this machine answers, for a container's health check."""
    url = f"http://127.0.0.1:{settings.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=4) as response:
            return 0 if response.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
