"""``python -m service``: the HTTP service; ``health``, ``openapi``: of it; ``keys``: who may."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import urllib.error
import urllib.request

from models.errors import BadSettings
from models.logging_setup import configure
from models.settings import Settings
from service.app import create_app
from service.app_keys import OPENAPI
from service.auth import keys_cli
from service.http.request_context import quieten
from service.server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "health", "openapi"], default="run")
    parser.add_argument(
        "--fd",
        type=int,
        action="append",
        default=[],
        help="a listening socket to serve on, inherited (systemd: 3); without: HOST and PORT",
    )
    parser.add_argument("--ready-fd", type=int, help="a pipe to write a line to when it serves")
    keys = sys.argv[1:2] == ["keys"]  # has options of its own
    given = parser.parse_args([] if keys else None)
    try:
        settings = Settings.load()
        if keys:
            return keys_cli.run(settings, sys.argv[2:])
        if given.what == "openapi":
            return openapi(settings)
        settings = settings.with_stores().with_folders()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    if given.what == "health":
        return health(settings)
    configure(settings, "service")
    quieten()
    _open_many_files()
    try:
        asyncio.run(serve(settings, given.fd, given.ready_fd))
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    return 0


def _open_many_files() -> None:
    """Allow as many open files as the system lets us: the usual 1024 are a few hundred uploads."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def openapi(settings: Settings) -> int:
    """Print the OpenAPI document as these settings have it; needs no store."""
    sys.stdout.buffer.write(create_app(settings)[OPENAPI].body)
    return 0


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
