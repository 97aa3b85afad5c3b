"""Settings: the dashboard."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class DashboardSettings(BaseSettings):
    """The dashboard, for keys with the scope admin."""

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
