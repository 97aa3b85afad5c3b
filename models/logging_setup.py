"""Logging setup: JSON lines, or lines to read, with the ids of the request and the task."""

from __future__ import annotations

import logging
import os
import sys

import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from structlog.typing import EventDict, Processor

from models.console_lines import console_processors
from models.log_rate_limit import RateLimitedHandler
from models.settings.monitoring import MonitoringSettings
from models.settings.removed import removed_settings

_FILE_BYTES = 10 * 1024 * 1024  # editors still open it
_ROTATED_FILES = 5  # they have the newest half a million lines
_QUIET_LOGGERS = ("arq", "asyncio", "pymongo", "PIL", "aiohttp.access")
"""Libraries that log only warnings and errors."""


def configure_logging(settings: MonitoringSettings, program: str) -> None:
    """Send all logging of this process to stderr, as LOG_FORMAT says, and to LOG_FILE.

    Text of clients is a JSON value, or escaped, so it cannot forge a line. Lines of one cause are
    limited: see ``RateLimitedHandler``.
    """

    def add_program(_: object, __: str, event: EventDict) -> EventDict:
        """Not a context variable: a thread or a task may have a context of its own."""
        return {**event, "program": program}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_program,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]

    def formatter(*renderer: Processor) -> logging.Formatter:
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer,
            ],
        )

    json_lines = formatter(structlog.processors.JSONRenderer())
    terminal = sys.stderr.isatty()
    console = settings.log_format == "console" or (settings.log_format == "auto" and terminal)
    colours = terminal and not os.environ.get("NO_COLOR")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(formatter(*console_processors(colours)) if console else json_lines)
    if settings.log_file is not None:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        rotating = ConcurrentRotatingFileHandler(
            str(settings.log_file),
            maxBytes=_FILE_BYTES,
            backupCount=_ROTATED_FILES,
        )
        rotating.setFormatter(json_lines)
        handlers.append(rotating)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(RateLimitedHandler(handlers))
    root.setLevel(settings.log_level)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    if names := removed_settings():
        structlog.get_logger().warning("settings_without_effect", names=names)
