"""``python -m standalone`` (make run): run stores, service and workers until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import sys

from models.errors import BadSettings
from models.settings import Settings
from standalone.process import CannotStart, print_status
from standalone.supervisor import Supervisor


def main() -> int:
    try:
        return asyncio.run(Supervisor(Settings.load().require_folders()).run())
    except (CannotStart, BadSettings, TimeoutError) as error:
        print_status(f"darkroom: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
