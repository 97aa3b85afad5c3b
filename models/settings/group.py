"""Settings: what all groups have in common."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Group(BaseSettings):
    """Settings that belong together: each field is an environment variable of that name."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_ignore_empty=True, extra="ignore"
    )


def split_list(value: str) -> list[str]:
    """Return the parts between commas."""
    return [part.strip() for part in value.split(",") if part.strip()]
