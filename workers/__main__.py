"""``python -m workers``: one arq worker; ``python -m workers health``: whether one lives here."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys

from models.errors import AppError, BadSettings
from models.log import configure
from models.settings import Settings
from models.store import Store
from workers.settings import create


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "health"], default="run")
    what = parser.parse_args().what
    try:
        settings = Settings.load().with_stores()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    configure(settings, "worker")
    if what == "health":
        return asyncio.run(health(settings))
    create(settings).run()
    return 0


async def health(settings: Settings) -> int:
    """Return 0 if a worker of this host was seen lately, for a container's health check."""
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
