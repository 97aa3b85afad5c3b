"""``python -m standalone`` (make run): stores, service and workers, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import sys

from models.errors import BadSettings
from models.settings import Settings
from standalone.binaries import NoServer
from standalone.process import say
from standalone.sockets import Occupied
from standalone.supervisor import House


def main() -> int:
    try:
        return asyncio.run(House(Settings.load().with_folders()).run())
    except (NoServer, Occupied, BadSettings, TimeoutError) as error:
        say(f"darkroom: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
