"""Settings: limits of uploads."""

from __future__ import annotations

from typing import get_args

from pydantic import Field, field_validator

from models.images.inspect import ACCEPTED_FORMATS, InputFormat, decoded_formats
from models.settings.group import MIB, Group, split_list


class UploadSettings(Group):
    """Limits of uploads and tasks."""

    input_formats: str = Field(
        ",".join(ACCEPTED_FORMATS),
        description="Formats of pictures that may be sent: of png, jpeg, webp, gif, avif, tiff, "
        "bmp and heic, which needs the package pi-heif (locks/heic.txt), also where workers run.",
    )
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
        description="Maximum bytes of all uploads that one service is receiving; then 503. One "
        "client gets half of what others leave of it, at least MAX_BATCH_BYTES; a value below that "
        "counts as MAX_BATCH_BYTES.",
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
    max_result_bytes: int = Field(
        2048 * MIB,
        ge=1,
        description="Maximum predicted bytes of all results of one picture; the prediction follows "
        "from pixels, format and how well recent results were compressed.",
    )
    max_json_bytes: int = Field(
        262_144,
        ge=1024,
        description="Maximum bytes of a JSON body, or of a form without pictures.",
    )
    min_free_disk_bytes: int = Field(
        512 * MIB,
        ge=0,
        description="Bytes that stay free on the disks of temporary files and on MongoDB's, which "
        "only MongoDB may use: pictures whose predicted results do not fit beside them, and all "
        "other open tasks', are refused; 0: not checked.",
    )
    upload_timeout: float = Field(
        120, gt=0, description="Seconds an upload may take for each of its pictures; then 408."
    )
    upload_min_rate: int = Field(
        8192,
        ge=1,
        description="Minimum bytes a second of an upload, which may be late by "
        "UPLOAD_STALL_TIMEOUT, at its beginning by a sixth of it; then 408.",
    )
    upload_stall_timeout: float = Field(
        30,
        gt=0,
        description="Seconds an upload may send nothing, or fall behind UPLOAD_MIN_RATE, however "
        "fast it was before; then 408.",
    )

    @field_validator("input_formats")
    @classmethod
    def _check_formats(cls, value: str) -> str:
        named, known = {name.lower() for name in split_list(value)}, get_args(InputFormat)
        if not named or named - {*known}:
            raise ValueError(f"write formats of {', '.join(known)}, with commas between them")
        if named - {*decoded_formats()}:
            raise ValueError(
                "heic needs the package pi-heif: .venv/bin/pip install --require-hashes -r "
                "locks/heic.txt, or pip install '.[heic]' where Darkroom was installed so"
            )
        return ",".join(name for name in known if name in named)

    @property
    def accepted_formats(self) -> tuple[InputFormat, ...]:
        """The formats that INPUT_FORMATS names."""
        named = split_list(self.input_formats)
        return tuple(each for each in get_args(InputFormat) if each in named)
