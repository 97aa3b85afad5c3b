"""``python -m workers``: run one arq worker, check its health, or apply one operation to a file.

``python -m workers upscale in.png out.png`` and the other operations need no servers.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import sys
from collections.abc import Sequence

from models.errors import AppError, BadSettings
from models.logging_setup import configure_logging
from models.settings import Settings
from workers.cli import commands, watch


def main(arguments: Sequence[str] | None = None, prog: str = "python -m workers") -> int:
    """Run the command line; ``arguments``: None for the program's own; ``prog``: its name."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    running = subparsers.add_parser("run", help="run one arq worker (the default)")
    running.add_argument("--ready-fd", type=int, help="file descriptor to write to when ready")
    subparsers.add_parser("health", help="exit with 0 if a worker runs on this host, else 1")
    commands.add_commands(subparsers)
    watch.add_command(subparsers)
    given = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        if given.command not in {None, "run", "health"}:
            return int(given.run(given, settings))
        settings = settings.require_stores()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.monitoring, "worker")
    if given.command == "health":
        return asyncio.run(health(settings))
    # Imported here: an operation on the command line needs neither arq nor a store. A tenth of the
    # time would go into the garbage collector, though what imports make stays.
    gc.disable()
    from workers.worker import create

    gc.freeze()
    gc.enable()
    try:
        create(settings, ready_fd=getattr(given, "ready_fd", None)).run()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    return 0


async def health(settings: Settings) -> int:
    """Return 0 if a worker of this host sent a heartbeat lately, for a container health check."""
    from models.store import Store

    store = Store(settings)
    try:
        seen = await store.workers.count_alive(host=socket.gethostname())
    except AppError:
        seen = 0
    finally:
        store.close()
    return 0 if seen else 1


if __name__ == "__main__":
    sys.exit(main())
