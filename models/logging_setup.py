"""Logging setup: structured JSON lines with the ids of the request and the task."""

from __future__ import annotations

import logging
import sys

import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from structlog.typing import Processor

from models.log_rate_limit import RateLimitedHandler
from models.settings.monitoring import MonitoringSettings
from models.settings.removed import removed_settings

_QUIET_LOGGERS = ("arq", "asyncio", "pymongo", "PIL", "aiohttp.access")
"""Libraries that log only warnings and errors."""


def configure_logging(settings: MonitoringSettings, program: str) -> None:
    """Send all logging of this process and its libraries to stderr and LOG_FILE as JSON.

    Text of clients is always a JSON value, so it cannot forge a line. Lines of one cause are
    limited: see ``RateLimitedHandler``.
    """
    structlog.contextvars.bind_contextvars(program=program)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_file is not None:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(
            ConcurrentRotatingFileHandler(
                str(settings.log_file),
                maxBytes=settings.log_file_bytes,
                backupCount=settings.log_file_count,
            )
        )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        handler.setFormatter(formatter)
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
