"""Settings: how letters leave."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class Mail(BaseSettings):
    """How letters leave."""

    smtp_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the SMTP server is checked against, if private."
    )
