"""Settings: how it works."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class Work(BaseSettings):
    """How it works."""

    task_timeout: float = Field(
        900,
        gt=0,
        description="Seconds the pixel work of one task may take; then FAILURE. The dearest that "
        "the limits allow, 50 megapixels with quality=best, takes some 340 on two idle cores.",
    )
    upscale_engine: Literal["auto", "opencv", "openvino"] = Field(
        "auto",
        description="What runs the networks; auto: OpenVINO where it proves itself at start, else "
        "OpenCV, the reference.",
    )
    upscale_precision: Literal["f32", "bf16"] = Field(
        "f32",
        description="Of OpenVINO's arithmetic; bf16: up to twice as fast on processors that have "
        "it, a few levels off the reference.",
    )
    tile_pixels: int = Field(
        0,
        ge=0,
        le=4096,
        description="Side of an upscaler's tile, 32 or more: bounds memory; 0: what is fastest "
        "with the engine.",
    )
    min_consistency: float = Field(
        6,
        ge=0,
        le=99,
        description="Least PSNR in dB of an upscaled picture scaled down again; below: bad_output. "
        "Sound networks reach 9 on a checkerboard, 35 on photographs (bench/sanity.py).",
    )
    max_shift: float = Field(
        64,
        gt=0,
        description="Most levels by which a part of an upscaled picture may be brighter or darker "
        "than it was; sound networks shift stripes by 34, photographs by 3.",
    )
    memory_budget: int = Field(
        0,
        ge=0,
        description="Bytes the tasks in work may take together, divided by WORKERS; larger tasks "
        "wait for their turn. 0 = four fifths of the machine or container; say the same to the "
        "service and the workers where their machines differ.",
    )

    @field_validator("tile_pixels")
    @classmethod
    def _not_tiny(cls, value: int) -> int:
        if 0 < value < 32:
            raise ValueError("0, or 32 and more: smaller tiles are mostly overlap")
        return value

    child_sandbox: Literal["auto", "require", "off"] = Field(
        "auto",
        description="Confinement of the processes that decode pictures (docs/security.md): auto: "
        "all that this kernel offers, and a warning names what it does not; require: they do not "
        "start without all of it; off: none, to find a mistake with.",
    )
    child_tasks: int = Field(
        1000,
        ge=0,
        description="Tasks after which such a process is replaced by a fresh one; 0: never; 1: no "
        "picture ever meets what another left behind, for half a second of a core each.",
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
