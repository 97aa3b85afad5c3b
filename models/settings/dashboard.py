"""Settings: admin login and dashboard."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_MIN_TOKEN_CHARACTERS = 16


class DashboardSettings(BaseSettings):
    """Admin login and dashboard."""

    admin_token: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="Opens /dashboard; 16 characters or more, e.g. from `openssl rand -hex 16`. "
        "Empty: the dashboard serves this machine only, while HOST is loopback and PROXIES is 0. "
        "A new token ends all sessions.",
    )
    admin_session_seconds: int = Field(
        12 * 3600, ge=60, description="Seconds a login to the dashboard is valid."
    )
    admin_login_failures: int = Field(
        10,
        ge=1,
        description="Wrong tokens an hour from one client address (see PROXIES); then 429.",
    )
    admin_login_failures_total: int = Field(
        200,
        ge=1,
        description="Wrong tokens an hour from all addresses; then each further one gets 429. The "
        "right token still works, so that strangers cannot lock the admin out.",
    )
    dashboard_page_size: int = Field(
        25, ge=1, le=1000, description="Tasks on one page of the dashboard."
    )
    dashboard_page_size_max: int = Field(
        200, ge=1, le=1000, description="Maximum of ?limit=, the tasks on one page of its API."
    )
    dashboard_workers_max: int = Field(
        200,
        ge=1,
        description="Workers that the dashboard shows; the latest heartbeats come first.",
    )
    dashboard_silent_worker_seconds: float = Field(
        3600,
        gt=0,
        le=86400,
        description="Seconds the dashboard still shows a worker after its last heartbeat.",
    )
    dashboard_recent_failure_seconds: int = Field(
        900, ge=60, le=86400, description="Seconds for which a failure counts as recent."
    )
    dashboard_wait_warning_seconds: float = Field(
        300, gt=0, description="Seconds a task may wait before the dashboard shows a warning."
    )
    dashboard_growth_warning_tasks: int = Field(
        20,
        ge=1,
        description="Tasks by which the queue may grow in five minutes before the dashboard shows "
        "a warning.",
    )
    queue_history_interval_seconds: float = Field(
        10, ge=1, description="Seconds between two records of queue length and throughput."
    )
    queue_history_retention_seconds: int = Field(
        7 * 86400, ge=3600, description="Seconds that MongoDB keeps these records."
    )

    @field_validator("admin_token")
    @classmethod
    def _check_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if 0 < len(token) < _MIN_TOKEN_CHARACTERS:
            raise ValueError(
                f"it has {len(token)} characters; {_MIN_TOKEN_CHARACTERS} or more are needed, "
                "or none"
            )
        if not token.isascii() or not token.isprintable():
            raise ValueError("it may have printable ASCII only, since it is sent in a header")
        return value
