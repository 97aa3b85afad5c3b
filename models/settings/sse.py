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
