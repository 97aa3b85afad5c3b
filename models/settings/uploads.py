"""Settings: limits of uploads."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

MIB = 1024 * 1024


class UploadSettings(BaseSettings):
    """Limits of uploads and tasks."""

    max_upload_bytes: int = Field(
        32 * MIB, ge=1, description="Largest picture file; a larger one is refused as it arrives."
    )
    max_pixels: int = Field(
        50_000_000, ge=1, description="Maximum pixels of an input; a decoded pixel takes 3 bytes."
    )
    max_output_pixels: int = Field(
        200_000_000, ge=1, description="Maximum pixels of a result, for the same reason."
    )
    max_batch: int = Field(100, ge=1, le=1000, description="Maximum pictures of one submission.")
    max_batch_bytes: int = Field(
        1024 * MIB,
        ge=1,
        description="Maximum bytes of one submission; the service spools them to its disk.",
    )
    max_spool_bytes: int = Field(
        4096 * MIB,
        ge=1,
        description="Maximum bytes of all uploads that one service is receiving; then 503. A "
        "value below MAX_BATCH_BYTES counts as MAX_BATCH_BYTES.",
    )
    max_group: int = Field(
        1000, ge=1, le=10_000, description="Maximum tasks that POST /groups puts into one group."
    )
    max_operations: int = Field(20, ge=1, le=100, description="Maximum operations of one pipeline.")
    max_results: int = Field(
        64, ge=4, le=1024, description="Maximum results of one picture: three splits make 64."
    )
    max_batch_results: int = Field(
        1000,
        ge=1,
        description="Maximum results of a submission of several pictures; each needs a name.",
    )
    max_fields: int = Field(
        40, ge=1, description="Maximum fields of one form beside its pictures; limits parsing."
    )
    max_field_bytes: int = Field(
        8192, ge=1, description="Maximum bytes of a form field that is not a picture."
    )
    max_json_bytes: int = Field(
        262_144,
        ge=1024,
        description="Maximum bytes of a JSON body, or of a form without pictures.",
    )
    max_name_characters: int = Field(
        100,
        ge=16,
        le=200,
        description="Maximum characters of a stored file name; the stem is cut.",
    )
    max_names_per_task: int = Field(
        100,
        ge=1,
        description="Names stored for the same bytes; further ones get the URL of the first.",
    )
    min_free_disk_bytes: int = Field(
        512 * MIB,
        ge=0,
        description="Free bytes below which pictures are refused, on the service's disk of "
        "temporary files and on MongoDB's; 0: not checked.",
    )
    upload_timeout: float = Field(
        120, gt=0, description="Seconds an upload may take for each of its pictures; then 408."
    )
    upload_min_rate: int = Field(
        8192, ge=1, description="Minimum average bytes a second of an upload; below: 408."
    )
    upload_grace_seconds: float = Field(
        5, gt=0, description="Seconds an upload may stall before UPLOAD_MIN_RATE applies."
    )
    upload_stall_timeout: float = Field(
        30,
        gt=0,
        description="Seconds an upload may send nothing, however fast it was before; then 408.",
    )
