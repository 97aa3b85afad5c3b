"""Settings: progress and server-sent events."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class SseSettings(BaseSettings):
    """Progress and server-sent events."""

    progress_interval_seconds: float = Field(
        0.25,
        gt=0,
        description="Seconds between two writes of a task's progress; each is one small update in "
        "MongoDB, and unchanged progress is not written.",
    )
    events_interval_seconds: float = Field(
        0.25,
        gt=0,
        description="Seconds between two events of a stream; changes in between are sent as one.",
    )
    events_keepalive_seconds: float = Field(
        15,
        gt=0,
        description="Seconds between two comments in an event stream, so that proxies keep it "
        "open.",
    )
    events_max_seconds: float = Field(
        3600,
        gt=0,
        description="Maximum duration of an event stream; browsers then reconnect by themselves.",
    )
    events_stall_timeout: float = Field(
        20,
        gt=0,
        description="Seconds a client may read nothing before its stream is closed; it gets the "
        "latest state when it reconnects.",
    )
    events_per_client: int = Field(
        100,
        ge=1,
        description="Maximum open event streams of one client address (see PROXIES); then 429.",
    )
    events_tasks_per_client: int = Field(
        3000,
        ge=1,
        description="Maximum tasks that all streams of one client follow; a group counts each of "
        "its tasks; then 429.",
    )
    events_tasks_total: int = Field(
        20_000,
        ge=1,
        description="Maximum tasks that all streams of one service follow; each costs about 0.05 "
        "ms of work per event; then 429.",
    )
    events_total: int = Field(
        2000,
        ge=1,
        description="Maximum open event streams of one service; each holds a connection; then 429.",
    )
