"""``python -m workers``: one arq worker with its children, until SIGINT or SIGTERM."""

from __future__ import annotations

import sys

import structlog

from models.errors import BadSettings
from models.log import configure
from models.settings import Settings
from workers.settings import create


def main() -> int:
    settings = Settings()
    configure(settings, "worker")
    try:
        settings.with_stores()
    except BadSettings as error:
        structlog.get_logger().error("bad_settings", detail=error.detail)
        return 2
    create(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
