"""Settings: API keys, signed links and the key that signs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from models.settings.group import Group


class AuthSettings(Group):
    """API keys and signed links."""

    api_keys: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether requests need a key (python -m service keys create NAME); auto: "
        "unless HOST is loopback. On other addresses the service starts only with a key or with "
        "ALLOW_ANONYMOUS.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Accept requests without a key, on any address: for networks whose members "
        "are all trusted. All anonymous clients share their tasks. A wrong key is still refused, "
        "and routes for an admin's key (GET /metrics, POST /items/) need one while keys are on.",
    )
    link_ttl: int = Field(
        3600,
        ge=1,
        description="Seconds a signed link to a result is valid, if the request names no time.",
    )
    link_ttl_max: int = Field(
        7 * 86400,
        ge=1,
        description="Maximum seconds that a request may name; links in e-mails are valid as long.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key that signs links in e-mails, 32 characters or more; empty: one is made "
        "once and stored in MongoDB for all programs.",
    )

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: SecretStr) -> SecretStr:
        length = len(value.get_secret_value())
        if 0 < length < 32:
            raise ValueError(f"it has {length} characters; 32 or more are needed, or none")
        return value
