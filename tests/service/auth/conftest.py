"""Fixtures of the tests of keys."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from tests.support import api_key_clients
from tests.support.api_key_clients import StartService


@pytest.fixture
def start_service(
    settings: Settings, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> StartService:
    monkeypatch.setattr("service.auth.authenticator._KEY_CACHE_SECONDS", 0)
    return api_key_clients.service_starter(settings, aiohttp_client)
