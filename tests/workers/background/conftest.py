"""Settings that keep results and originals for an hour, and a task that has its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from tests.support.task_factory import finish

Send = Callable[..., Awaitable[Any]]


@pytest.fixture
async def settings(settings: Settings) -> Settings:
    return settings.replace(result_ttl=3600, original_ttl=3600)


@pytest.fixture
async def done(send: Send, store: Store) -> str:
    """The id of a task that has its result."""
    task_id: str = (await (await send()).json())["task_id"]
    await finish(store, task_id)
    return task_id
