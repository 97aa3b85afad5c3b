"""Fixtures of the tests of webhooks."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _slow_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that wants a retry makes it due."""
    monkeypatch.setattr("workers.webhooks.sender.WebhookSender.retry_seconds", 1000)


@pytest.fixture(autouse=True)
def _all_calls_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is slow to answer counts as away, and limits begin anew without it."""
    monkeypatch.setattr("models.redis.connection._TIMEOUT_SECONDS", 30)
