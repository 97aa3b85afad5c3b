"""``python -m service``: run the HTTP service, check its health, print its API, manage its keys."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

from models import VERSION
from models.errors import BadSettings
from models.logging_setup import configure_logging
from models.settings import Settings


def main(arguments: Sequence[str] | None = None, prog: str = "python -m service") -> int:
    """Run the command line; ``arguments``: None for the program's own; ``prog``: its name."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--version", action="version", version=f"darkroom {VERSION}")
    parser.add_argument("what", nargs="?", choices=["run", "health", "openapi"], default="run")
    parser.add_argument(
        "--fd",
        type=int,
        action="append",
        default=[],
        help="an inherited listening socket (systemd: 3); default: bind HOST and PORT",
    )
    parser.add_argument(
        "--ready-fd", type=int, help="a pipe that gets a line once the service listens"
    )
    keys = list(arguments[:1]) == ["keys"]  # it has its own options
    given = parser.parse_args([] if keys else arguments)
    try:
        settings = Settings.load()
        if keys:
            from service.auth import keys_cli

            return keys_cli.run(settings, arguments[1:], prog)
        if given.what == "openapi":
            return openapi(settings)
        settings = settings.require_stores().require_folders()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    if given.what == "health":
        return health(settings)
    # Imported here: a health check runs every few seconds, and these imports take a second, a tenth
    # of it for the garbage collector, though what they make stays.
    gc.disable()
    from service.http.request_context import filter_client_errors
    from service.server import serve

    gc.freeze()
    gc.enable()
    configure_logging(settings.monitoring, "service")
    filter_client_errors()
    try:
        asyncio.run(serve(settings, given.fd, given.ready_fd))
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    return 0


def openapi(settings: Settings) -> int:
    """Print the OpenAPI document for these settings; no store is needed."""
    from service.app import create_app
    from service.openapi.document import OPENAPI

    sys.stdout.buffer.write(create_app(settings)[OPENAPI].body)
    return 0


def health(settings: Settings) -> int:
    """Return 0 if the service on this machine responds: a container's health check."""
    url = f"http://127.0.0.1:{settings.http.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=4) as response:
            return 0 if response.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
