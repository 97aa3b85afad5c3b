"""E-mail settings: validation, and secrets that are never shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.settings import Settings
from models.store import Store


async def test_all_programs_get_the_same_secret(settings: Settings) -> None:
    stores = [Store(settings) for _ in range(6)]
    found = await asyncio.gather(*(each.secret_key.get() for each in stores))
    assert len(set(found)) == 1 and len(found[0]) >= 48
    await stores[0].drop()
    for each in stores:
        each.close()


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    from models.errors import BadSettings

    environment = {"SMTP_USER": "u", "SMTP_PASSWORD": "hush1", "SECRET_KEY": "hush2" * 10}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Settings.load()
        assert settings.mail.smtp_password.get_secret_value() == "hush1"
        assert "hush" not in f"{settings!r} {settings} {settings.mail.model_dump()}"
        patch.setenv("SECRET_KEY", "hush2")
        with pytest.raises(BadSettings) as short:
            Settings.load()
        assert "SECRET_KEY" in str(short.value) and "hush" not in str(short.value)
        patch.delenv("SMTP_USER")
        with pytest.raises(
            BadSettings, match="both SMTP_USER and SMTP_PASSWORD, or neither"
        ) as alone:
            Settings.load()
        assert "hush" not in str(alone.value)


@pytest.mark.parametrize("value", ["", "nobody", "a@b\nBcc: x@y.zz", "ä@example.org", "<a@>", "@b"])
def test_malformed_sender_is_refused(value: str) -> None:
    from models.settings.mail import parse_sender

    with pytest.raises(ValueError):  # noqa: PT011
        parse_sender(value)
