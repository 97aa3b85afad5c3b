"""Which ``.env`` the settings are read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.settings import GROUPS
from models.settings.group import Group


def use_env_file(monkeypatch: pytest.MonkeyPatch, file: Path | None) -> None:
    """Read ``file`` in place of ``.env``; None: none."""
    groups: list[type[Group]] = [Group, *GROUPS.values()]
    for group in groups:
        monkeypatch.setitem(group.model_config, "env_file", file)
