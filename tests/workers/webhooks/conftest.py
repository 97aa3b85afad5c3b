"""Fixtures of the tests of webhooks."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _slow_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that wants a retry makes it due."""
    monkeypatch.setattr("workers.webhooks.sender.WebhookSender.retry_seconds", 1000)
