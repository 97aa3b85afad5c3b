"""FreeSpace: what may be written to the disks of this process and of MongoDB."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import structlog
from async_lru import alru_cache

from models.errors import InsufficientResources, StoreUnavailable
from models.images.inspect import OutputFormat
from models.result_bytes import predicted_bytes
from models.settings.uploads import UploadSettings
from models.store import Store

log = structlog.get_logger()

_MEASUREMENT_SECONDS = 1.0  # for which a measurement is used
_SHARES_SECONDS = 60.0
_RETRY_SECONDS = 30
_MONGODB = "MongoDB"
_MONGODB_COPIES = 3
"""Of a result that is stored: data, oplog and journal. Three of 84 MB with originals of 11 MB took
2.8, 2.9 and 2.9 times as much, and 1.9 times a minute later, without the journal; two of 268 MB
took 2.7 times."""
_MONGODB_WRITES_BYTES = 64 << 20
"""That results leave free above MIN_FREE_DISK_BYTES for small writes, such as originals and the
ledger, which no prediction counts, and as much again where they make MongoDB's files grow: results
that fit into its files take journal only, whose space comes back within a minute, and go on."""
_SMALL_RESULTS_BYTES = 1 << 20
"""Of a task that is accepted although all room is promised: 64 MiB are 20 of them at once, stored
three times each; when they are stored they wait like others."""


class FreeSpace:
    """Checks that MIN_FREE_DISK_BYTES stay free, which only MongoDB may use. One a process.

    With them MongoDB can still serve and delete what it has; without any it would end.
    """

    def __init__(
        self, settings: UploadSettings, store: Store, owner: str, folder: Path, copies: int = 0
    ) -> None:
        """``owner`` has its temporary files in ``folder``, of each result ``copies`` at once."""
        self._min_free_bytes = settings.min_free_disk_bytes
        self._stats = store.task_stats
        self._owner = owner
        self._folder = folder
        self._copies = {owner: copies, _MONGODB: _MONGODB_COPIES}
        # For results, within MongoDB's files; asked for where room may be short.
        self._reusable = alru_cache(ttl=_MEASUREMENT_SECONDS)(store.task_stats.reusable_bytes)
        self._disks = alru_cache(ttl=_MEASUREMENT_SECONDS)(self._measure)
        self.result_shares = alru_cache(ttl=_SHARES_SECONDS)(store.measured_tasks.result_shares)

    async def predict(self, most_bytes: int, output: OutputFormat) -> int:
        """Return the bytes that results will probably take, see ``models.result_bytes``."""
        return predicted_bytes(most_bytes, output, await self.result_shares())

    async def check(self, results: int = 0, others: int = 0, share: int = 1) -> None:
        """Return if both disks have room for ``results`` bytes of results.

        ``others``: bytes that are promised to other results on the disk of MongoDB; small results
        do not wait for those, since they fit into what results leave free. ``share``: how many
        times as much must be free. Disks are measured once a second, so that it may be called
        often.

        Raises:
            InsufficientResources: less than MIN_FREE_DISK_BYTES would be left on one of them.
        """
        small = results <= _SMALL_RESULTS_BYTES
        await self._check(results, 0 if small else others, share, left=0)

    async def check_storing(self, results: int, others: int) -> None:
        """Return if ``results`` bytes may be written now; ``others`` are being written already.

        As ``check``, but they leave more, see ``_MONGODB_WRITES_BYTES``: results wait before
        uploads are refused. What MongoDB can reuse in its files is room for the data alone, not for
        its journal and oplog.

        Raises:
            InsufficientResources: as ``check``.
        """
        writing = others * _MONGODB_COPIES
        await self._check(results, writing, share=1, left=_MONGODB_WRITES_BYTES)

    async def _check(self, results: int, others: int, share: int, left: int) -> None:
        if not self._min_free_bytes:
            return
        try:
            disks = await self._disks()
        except StoreUnavailable:
            return  # the next call that needs the store reports it
        for owner, free in disks.items():
            wanted = share * results * self._copies[owner]
            if owner == _MONGODB:
                wanted += others
                data = wanted // _MONGODB_COPIES if left else wanted
                if free < self._min_free_bytes + wanted + 2 * left:  # else it needs none
                    try:
                        reusable = await self._reusable()
                    except StoreUnavailable:
                        return
                    wanted -= min(reusable, data)
                    left *= 2 if reusable < data else 1
                wanted += left
            need = self._min_free_bytes + wanted
            if free < need:
                log.error("disk_full", disk=owner, free=free, limit=need, results=results)
                raise self._no_room(owner, free, need, results)

    def _no_room(self, owner: str, free: int, need: int, results: int) -> InsufficientResources:
        for_what = f"results of about {results // 1_000_000} MB need" if results else "uploads need"
        return InsufficientResources(
            f"{free // 1_000_000} MB are free on the disk of {owner}; {for_what} at least "
            f"{need // 1_000_000} MB, of which {self._min_free_bytes // 1_000_000} MB stay free "
            "(MIN_FREE_DISK_BYTES); nothing was accepted",
            setting="MIN_FREE_DISK_BYTES",
            limit=need,
            measured=free,
            retry_after=_RETRY_SECONDS,
        )

    async def _measure(self) -> Mapping[str, int]:
        """Return the free bytes by the owner of the disk."""
        own = await asyncio.to_thread(shutil.disk_usage, self._folder)
        disks = {self._owner: own.free}
        storage = await self._stats.storage()
        if storage.disk is not None:
            disks[_MONGODB] = storage.disk[0]
        return disks
