"""Settings: how long originals, results and groups are kept."""

from __future__ import annotations

from pydantic import Field

from models.settings.group import Group


class RetentionSettings(Group):
    """Retention: the same for services and workers."""

    result_ttl: float = Field(
        0,
        ge=0,
        description="Seconds results are kept after their task ended; then they answer 410, and "
        "sending the picture again computes them anew. 0: for ever.",
    )
    original_ttl: float = Field(
        0,
        ge=0,
        description="Seconds an original is kept after it was last sent or retried; longer while "
        "a task needs it. 0: for ever.",
    )
    delete_grace_seconds: float = Field(
        600,
        gt=0,
        description="Seconds that bytes outlive their last name, for downloads in progress, and "
        "that an original outlives its upload; set it longer than an upload or a download takes. "
        "Bytes that belong to no task are deleted after six times as long.",
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
