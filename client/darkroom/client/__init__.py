"""The client of Darkroom: ``Darkroom``, for asyncio ``AsyncDarkroom``, and ``verify`` for webhooks.

from darkroom.client import Darkroom, Upscale

with Darkroom("http://localhost:8080") as darkroom:
    darkroom.process("cat.png", Upscale(scale=2), to="out/")
"""

from darkroom.client import operations
from darkroom.client.async_client import AsyncDarkroom
from darkroom.client.documents import Group, Result, Task
from darkroom.client.errors import (
    BadAnswer,
    DarkroomError,
    NotVerified,
    Problem,
    StillRunning,
    TaskFailed,
    Unreachable,
)
from darkroom.client.flows import Options
from darkroom.client.operations import *  # noqa: F403 -- one class for each operation
from darkroom.client.pictures import Picture
from darkroom.client.sync_client import Darkroom
from darkroom.client.webhooks import Webhook, verify

__all__ = [
    "AsyncDarkroom",
    "BadAnswer",
    "Darkroom",
    "DarkroomError",
    "Group",
    "NotVerified",
    "Options",
    "Picture",
    "Problem",
    "Result",
    "StillRunning",
    "Task",
    "TaskFailed",
    "Unreachable",
    "Webhook",
    "verify",
]
__all__ += operations.__all__
