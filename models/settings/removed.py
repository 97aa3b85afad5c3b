"""Settings of older versions: the start is refused, or a warning is logged, while one is set."""

from __future__ import annotations

import os

from pydantic_settings import BaseSettings, SettingsConfigDict

from models.settings.group import Group

REFUSED = {
    "ADMIN_TOKEN": "the dashboard takes API keys. Create one with `python -m service keys create "
    "NAME --scopes admin`, set API_KEYS=on, and remove ADMIN_TOKEN, which would protect nothing now"
}
"""Settings that were removed and that an operator relies on, with what to do instead."""
# Became constants on 2026-11-29 and 30, see docs/decisions; ``configure_logging`` warns of them.
_WITHOUT_EFFECT = """
CACHE_MAX_BYTES CACHE_TOTAL_BYTES CACHE_TTL CONFIRM_TTL DASHBOARD_GROWTH_WARNING_TASKS
DASHBOARD_PAGE_SIZE DASHBOARD_PAGE_SIZE_MAX DASHBOARD_RECENT_FAILURE_SECONDS
DASHBOARD_SILENT_WORKER_SECONDS DASHBOARD_WAIT_WARNING_SECONDS DASHBOARD_WORKERS_MAX
EVENTS_INTERVAL_SECONDS EVENTS_KEEPALIVE_SECONDS EVENTS_MAX_SECONDS EVENTS_STALL_TIMEOUT
EVENTS_TASKS_PER_CLIENT EVENTS_TASKS_TOTAL HOUSEKEEPING_INTERVAL_SECONDS ITEMS_TIMEOUT
KEY_CACHE_SECONDS KEY_SESSION_SECONDS LINGER_TIMEOUT LOG_FILE_BYTES LOG_FILE_COUNT
MAIL_ARCHIVE_RESEND_SECONDS MAIL_GIVE_UP_SECONDS MAIL_MAX_CRASHES MAIL_RETENTION_SECONDS
MAIL_RETRY_SECONDS MAX_FIELDS MAX_FIELD_BYTES MAX_HEADERS MAX_HEADER_BYTES MAX_NAMES_PER_TASK
MAX_NAME_CHARACTERS MAX_PAGE_HISTORY MAX_REQUEST_HEAD_BYTES MAX_REQUEST_LINE_BYTES
METRICS_INTERVAL_SECONDS METRICS_RETENTION_SECONDS METRICS_WORKERS_MAX ORPHAN_AGE_SECONDS
PROGRESS_INTERVAL_SECONDS QUEUE_HISTORY_INTERVAL_SECONDS QUEUE_HISTORY_RETENTION_SECONDS
RATE_LIMIT_FAIL_MODE RATE_LIMIT_TIMEOUT RESPONSE_MIN_RATE SMTP_TIMEOUT UNSUBSCRIBE_TTL
UPLOAD_GRACE_SECONDS UPSCALE_MAX_SHIFT UPSCALE_MIN_PSNR WEBHOOKS_PER_TASK
WEBHOOK_CONCURRENCY_PER_CLIENT WEBHOOK_CONCURRENCY_PER_HOST WEBHOOK_GIVE_UP_SECONDS
WEBHOOK_LOG_ATTEMPTS WEBHOOK_MAX_CRASHES WEBHOOK_RETENTION_SECONDS WEBHOOK_RETRY_AFTER_MAX
WEBHOOK_RETRY_SECONDS WEBHOOK_URL_MAX_CHARACTERS WORKER_HEARTBEAT_TIMEOUT
"""


class _EnvFile(BaseSettings):
    """The variables of ``.env``, whatever their names."""

    model_config = SettingsConfigDict(extra="allow")


def removed_settings() -> list[str]:
    """Return the names of removed settings that are set, in the environment or ``.env``."""
    env_file = Group.model_config.get("env_file")
    given = {**(_EnvFile(_env_file=env_file).model_extra or {}), **os.environ}
    names = {name.upper() for name, value in given.items() if value}
    return sorted(names.intersection([*REFUSED, *_WITHOUT_EFFECT.split()]))
