"""Settings: how it works."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class Work(BaseSettings):
    """How it works."""

    task_timeout: float = Field(
        300, gt=0, description="Seconds the pixel work of one task may take; then FAILURE."
    )
    tile_pixels: int = Field(
        160,
        ge=32,
        le=4096,
        description="Side of an upscaler's tile: bounds memory; this one fits the cores' caches.",
    )
    memory_budget: int = Field(
        0,
        ge=0,
        description="Bytes the tasks in work may take together, divided by WORKERS; larger tasks "
        "wait for their turn. 0 = four fifths of the machine or container; say the same to the "
        "service and the workers where their machines differ.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Times a task is tried when its process dies; then worker_crashed."
    )
    lease_seconds: float = Field(
        10, gt=0, description="Silence after which a worker's task is given to another."
    )
    sweep_seconds: float = Field(
        2,
        gt=0,
        description="Pause between two looks for tasks that nobody rang or that stalled, and for "
        "letters that are due.",
    )
    drain_seconds: int = Field(
        10, ge=1, description="Seconds a stopping worker gives its tasks before handing them back."
    )
    orphan_seconds: float = Field(
        3600, gt=0, description="Age at which bytes that belong to no task are deleted."
    )
    worker_seen_seconds: float = Field(
        6, gt=0, description="Silence after which /readyz no longer counts a worker."
    )
    store_timeout: float = Field(
        5,
        gt=0,
        description="Seconds to wait for Redis, or for a MongoDB server; one that is frozen takes "
        "up to four times as long to be answered with 503.",
    )
    group_ttl: float = Field(
        30 * 86400,
        ge=60,
        description="Seconds a group is remembered, with the address sent with it; its tasks and "
        "results stay.",
    )
    intermediate_ttl: float = Field(
        86400,
        ge=0,
        description="Seconds the costly beginning of a pipeline is kept for others that begin "
        "alike; 0: never kept.",
    )
