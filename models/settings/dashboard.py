"""Settings: who may see and steer what goes on."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_SHORTEST = 16


class Admin(BaseSettings):
    """Who may see and steer what goes on."""

    admin_token: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="Opens /dashboard, 16 characters or more, e.g. from `openssl rand -hex 16`; "
        "empty: the dashboard answers this machine only, while HOST is loopback and PROXIES is 0. "
        "Another one ends all sessions.",
    )
    admin_session_seconds: int = Field(
        12 * 3600, ge=60, description="Seconds a login to the dashboard is good."
    )
    admin_logins: int = Field(
        10,
        ge=1,
        description="Wrong tokens an hour from one client address (see PROXIES); then 429.",
    )
    admin_logins_total: int = Field(
        200,
        ge=1,
        description="Wrong tokens an hour from everywhere; then each further one gets 429. The "
        "right one is let in, or strangers could lock everybody out.",
    )
    dashboard_page: int = Field(
        25, ge=1, le=1000, description="Tasks that one page of the dashboard shows."
    )
    dashboard_page_most: int = Field(
        200, ge=1, le=1000, description="Most tasks of one page of its API, asked for by ?limit=."
    )
    dashboard_workers: int = Field(
        200, ge=1, description="Workers the dashboard shows, those heard last first."
    )
    dashboard_silent_seconds: float = Field(
        3600, gt=0, le=86400, description="Seconds a worker is still shown that fell silent."
    )
    dashboard_lately_seconds: int = Field(
        900, ge=60, le=86400, description="Seconds for which a failure counts as one of late."
    )
    dashboard_oldest_seconds: float = Field(
        300, gt=0, description="Seconds a task may wait before the dashboard calls it trouble."
    )
    dashboard_growth: int = Field(
        20, ge=1, description="Tasks by which the queue may grow in five minutes before it does."
    )
    history_seconds: float = Field(
        10, ge=1, description="Pause between two notes of queue length and throughput."
    )
    history_kept_seconds: int = Field(
        7 * 86400, ge=3600, description="Seconds such notes are kept in MongoDB."
    )

    @field_validator("admin_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr) -> SecretStr:
        length = len(value.get_secret_value())
        if 0 < length < _SHORTEST:
            raise ValueError(f"it has {length} characters; {_SHORTEST} or more are needed, or none")
        if not value.get_secret_value().isascii() or not value.get_secret_value().isprintable():
            raise ValueError("only printable ASCII reaches us in a header")
        return value
