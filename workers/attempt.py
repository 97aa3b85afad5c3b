"""One claim of one task, and what the jobs of a worker share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from models.catalogue import Catalogue
from models.queue import Queue
from models.settings import Settings
from models.store import Store
from models.task import Task
from workers.children import Children


@dataclass
class Worker:
    """What the jobs of one worker process share."""

    name: str
    settings: Settings
    store: Store
    queue: Queue
    children: Children
    catalogue: Catalogue
    scratch: Path


@dataclass
class Attempt:
    """One claim of one task."""

    task: Task
    token: str
    progress: int = 0
    published: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
