"""Settings: how it tells of progress."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class Events(BaseSettings):
    """How it tells of progress."""

    progress_seconds: float = Field(
        0.25,
        gt=0,
        description="Pause between two writes of a task's progress; each is one small update in "
        "MongoDB, and none is made while the progress stays the same.",
    )
    events_pause: float = Field(
        0.25,
        gt=0,
        description="Pause between two events of a stream; what changes meanwhile is told as one.",
    )
    events_keepalive: float = Field(
        15,
        gt=0,
        description="Pause between two comments in an event stream, so that proxies keep it open.",
    )
    events_seconds: float = Field(
        3600,
        gt=0,
        description="Longest life of an event stream; browsers then connect again by themselves.",
    )
    events_stall: float = Field(
        20,
        gt=0,
        description="Seconds a listener may take nothing in before its stream is cut; it gets the "
        "newest state when it connects again.",
    )
    events_per_client: int = Field(
        100,
        ge=1,
        description="Most event streams open from one client address (see PROXIES); then 429.",
    )
    events_tasks_per_client: int = Field(
        3000,
        ge=1,
        description="Most tasks that the streams of one client tell of together: a group's counts "
        "as many as it has; then 429.",
    )
    events_tasks_total: int = Field(
        20_000,
        ge=1,
        description="Most tasks that all streams of one service tell of; one costs about 0.05 ms "
        "of work with each event; then 429.",
    )
    events_total: int = Field(
        2000,
        ge=1,
        description="Most event streams open of one service; each holds a connection; then 429.",
    )
