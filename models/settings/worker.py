"""Settings: workers, their child processes and the engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class WorkerSettings(BaseSettings):
    """Workers, their child processes and the engine."""

    task_timeout: float = Field(
        900,
        gt=0,
        description="Seconds the pixel work of one task may take; then FAILURE. The most "
        "expensive task within the limits, 50 megapixels with quality=best, takes some 340 on two "
        "idle cores.",
    )
    upscale_engine: Literal["auto", "opencv", "openvino"] = Field(
        "auto",
        description="Engine that runs the networks; auto: OpenVINO if it passes its check at "
        "start, else OpenCV, the reference.",
    )
    upscale_precision: Literal["f32", "bf16"] = Field(
        "f32",
        description="Arithmetic of OpenVINO; bf16: up to twice as fast on processors that support "
        "it, a few levels off the reference.",
    )
    tile_pixels: int = Field(
        0,
        ge=0,
        le=4096,
        description="Side of an upscaler's tile, 32 or more; limits memory. 0: the fastest for "
        "the engine.",
    )
    memory_budget: int = Field(
        0,
        ge=0,
        description="Bytes that all running tasks may take together, divided by WORKERS; larger "
        "tasks wait. 0: four fifths of the machine or container; set it alike for the service and "
        "the workers if their machines differ.",
    )

    @field_validator("tile_pixels")
    @classmethod
    def _check_tile(cls, value: int) -> int:
        if 0 < value < 32:
            raise ValueError("0, or 32 and more: smaller tiles are mostly overlap")
        return value

    child_sandbox: Literal["auto", "require", "off"] = Field(
        "auto",
        description="Sandbox of the processes that decode pictures (docs/security.md). auto: all "
        "that this kernel offers, with a warning for what it lacks; require: they do not start "
        "without all of it; off: none, for debugging.",
    )
    child_max_tasks: int = Field(
        1000,
        ge=0,
        description="Tasks after which a child process is replaced by a new one. 0: never; 1: no "
        "picture meets what another left behind, for 0.15 s of a core each.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Attempts at a task whose process dies; then worker_crashed."
    )
    lease_seconds: float = Field(
        10, gt=0, description="Seconds without renewal after which another worker may take a task."
    )
    sweep_interval_seconds: float = Field(
        2,
        gt=0,
        description="Seconds between two sweeps, which look for stalled tasks, tasks that are "
        "missing from the queue, and e-mails that are due.",
    )
    drain_seconds: int = Field(
        10,
        ge=1,
        description="Seconds a stopping worker lets its tasks run before it hands them back.",
    )
    store_timeout: float = Field(
        5,
        gt=0,
        description="Seconds to wait for Redis or a MongoDB server; if one is frozen, it may take "
        "up to four times as long until a request gets its 503.",
    )
    group_ttl: float = Field(
        30 * 86400,
        ge=60,
        description="Seconds a group is stored, with the e-mail address sent with it; its tasks "
        "and results stay.",
    )
    intermediate_ttl: float = Field(
        86400,
        ge=0,
        description="Seconds the result of the expensive first operations of a pipeline is kept, "
        "for pipelines that begin with the same; 0: not kept.",
    )
