"""Settings: what may come in."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

MIB = 1024 * 1024


class Intake(BaseSettings):
    """What may come in."""

    max_upload_bytes: int = Field(
        32 * MIB, ge=1, description="Largest picture file; larger is refused while it arrives."
    )
    max_pixels: int = Field(
        50_000_000, ge=1, description="Most pixels of an input: a decoded pixel takes 3 bytes."
    )
    max_output_pixels: int = Field(
        200_000_000, ge=1, description="Most pixels of a result, for the same reason."
    )
    max_batch: int = Field(100, ge=1, le=1000, description="Most pictures of one submission.")
    max_batch_bytes: int = Field(
        1024 * MIB,
        ge=1,
        description="Most bytes of one submission; they lie on the service's disk meanwhile.",
    )
    max_spool_bytes: int = Field(
        4096 * MIB,
        ge=1,
        description="Most bytes of all submissions that are on their way into one service at a "
        "time; then 503. Less than MAX_BATCH_BYTES counts as that.",
    )
    max_group: int = Field(
        1000, ge=1, le=10_000, description="Most tasks that POST /groups makes one group of."
    )
    groups_per_client: int = Field(
        1000, ge=1, description="POST /groups an hour of one client; then 429."
    )
    max_operations: int = Field(20, ge=1, le=100, description="Most operations of one pipeline.")
    max_results: int = Field(
        64, ge=4, le=1024, description="Most results of one picture: three splits make 64."
    )
    max_batch_results: int = Field(
        1000, ge=1, description="Most results of a submission of several pictures; each has a name."
    )
    max_fields: int = Field(
        40, ge=1, description="Most fields of one form beside its pictures; bounds parsing work."
    )
    max_field_bytes: int = Field(
        8192, ge=1, description="Longest value of a form field that is not a picture."
    )
    max_json_bytes: int = Field(
        262_144,
        ge=1024,
        description="Longest body that is a document: JSON, or a form without pictures.",
    )
    max_name_length: int = Field(
        100, ge=16, le=200, description="Longest file name kept, in characters; the stem is cut."
    )
    max_names_per_task: int = Field(
        100, ge=1, description="Names kept for the same bytes; further ones get the first's URL."
    )
    max_queue: int = Field(
        10_000, ge=1, description="Most tasks waiting or in work; further ones get 429."
    )
    max_queue_per_client: int = Field(
        2000,
        ge=1,
        description="Most of them from one client address (see PROXIES); further ones get 429.",
    )
    min_free_disk: int = Field(
        512 * MIB,
        ge=0,
        description="Free bytes below which no pictures are taken, on the service's disk of "
        "temporary files and on MongoDB's; 0: not looked at.",
    )
    upload_timeout: float = Field(
        120, gt=0, description="Seconds an upload may take for each of its pictures; then 408."
    )
    upload_min_rate: int = Field(
        8192, ge=1, description="Bytes a second an upload must keep up on average; else 408."
    )
    upload_grace: float = Field(
        5, gt=0, description="Seconds an upload may stall before UPLOAD_MIN_RATE is asked of it."
    )
    upload_stall: float = Field(
        30, gt=0, description="Seconds an upload may stand still, however fast it came; then 408."
    )
