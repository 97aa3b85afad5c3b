"""One claim of one task, and what the jobs of a worker share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from models.catalogue import Catalogue
from models.errors import StoreUnavailable
from models.queue import Queue
from models.settings import Settings
from models.store import Store
from models.task import Task
from workers.children import Children

_PATIENCE = 600  # seconds a task in a worker's hands waits for a store that is away

# Trouble with a store is waited out: it is nobody's fault and must cost neither work nor attempts.
patient = retry(
    retry=retry_if_exception_type(StoreUnavailable),
    wait=wait_random_exponential(multiplier=0.2, max=10),
    stop=stop_after_delay(_PATIENCE),
    reraise=True,
)


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
