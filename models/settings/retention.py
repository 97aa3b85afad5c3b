"""Settings: how long it keeps."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class Keeping(BaseSettings):
    """How long it keeps: the same for services and workers."""

    result_ttl: float = Field(
        0,
        ge=0,
        description="Seconds results are kept after their task ended; then 410, and sent again the "
        "picture is computed anew. 0: for ever.",
    )
    original_ttl: float = Field(
        0,
        ge=0,
        description="Seconds a picture that came in is kept after it last came in, or was retried; "
        "longer while a task needs it. 0: for ever.",
    )
    delete_grace: float = Field(
        600,
        gt=0,
        description="Seconds bytes outlive their last name, for who is in the middle of reading "
        "them, and an original its upload; longer than a submission or a download takes.",
    )
    housekeeping_seconds: float = Field(
        60,
        gt=0,
        description="Pause between two times that one worker of all deletes what is to go.",
    )
