"""``python -m workers``: one arq worker; ``health``: whether one lives here; else one operation.

``python -m workers upscale in.png out.png`` and the other operations need no servers.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys

from models.errors import AppError, BadSettings
from models.logging_setup import configure
from models.settings import Settings
from workers.cli import commands


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    subparsers = parser.add_subparsers(dest="what", metavar="COMMAND")
    running = subparsers.add_parser("run", help="one arq worker; so does no command at all")
    running.add_argument("--ready-fd", type=int, help="a pipe to write a line to when it works")
    subparsers.add_parser("health", help="whether a worker lives on this host; exit status 0 or 1")
    commands.add(subparsers)
    given = parser.parse_args()
    try:
        settings = Settings.load()
        if given.what not in {None, "run", "health"}:
            return int(given.run(given, settings))
        settings = settings.with_stores()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    configure(settings, "worker")
    if given.what == "health":
        return asyncio.run(health(settings))
    # Imported here: an operation on the command line needs neither arq nor a store.
    from workers.worker import create

    create(settings, ready_fd=getattr(given, "ready_fd", None)).run()
    return 0


async def health(settings: Settings) -> int:
    """Return 0 if a worker of this host was seen lately, for a container's health check."""
    from models.store import Store

    store = Store(settings)
    try:
        seen = await store.presence.alive(settings.worker_seen_seconds, socket.gethostname())
    except AppError:
        seen = 0
    finally:
        store.close()
    return 0 if seen else 1


if __name__ == "__main__":
    sys.exit(main())
