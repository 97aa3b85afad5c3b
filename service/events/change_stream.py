"""The one subscription of a service to the ledger: long polls and event streams live of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from models.errors import StoreUnavailable
from models.store.tasks.change_stream import Change, Feed

log = structlog.get_logger()

_PAUSE = 0.5  # seconds before a broken stream is opened again


class Ear(Protocol):
    """Somebody who wants to know what changes."""

    def heard(self, change: Change) -> None:
        """Take note of a change; it must not wait for anything."""

    def missed(self) -> None:
        """Take note that changes may have been missed: look up what matters."""


async def watch(feed: Feed, ears: Sequence[Ear]) -> None:
    """Follow the ledger until cancelled, through any number of breaks."""
    while True:
        try:
            async with feed.changes() as changes:
                for ear in ears:
                    ear.missed()  # what happened while nobody watched
                async for change in changes:
                    for ear in ears:
                        ear.heard(change)
        except StoreUnavailable as error:
            log.warning("ledger_unwatched", **error.document())
        except Exception:
            log.exception("watching_failed")
        await asyncio.sleep(_PAUSE)
