"""Fixtures of the tests of e-mail."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.mail.sender.EmailSender.retry_seconds", 0.01)
