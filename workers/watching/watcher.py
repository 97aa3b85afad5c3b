"""Process the pictures that are put into a folder, in child processes as those of a worker."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from models import memory_estimate
from models.animation import count_frames
from models.error_members import from_document
from models.errors import AppError, InsufficientResources, InternalError, TooLarge, WorkerCrashed
from models.files_below import open_file, open_folder
from models.images.inspect import ImageHeader, check_side, inspect
from models.networks.catalogue import Catalogue
from models.operations.steps import final_encoding, result_count, result_sizes
from models.settings import Settings
from workers.child.memory_semaphore import MemorySemaphore
from workers.child.pool import ChildPool
from workers.child.request import Request
from workers.watching.folder_scan import FolderScan, Found, Stamp
from workers.watching.order import Order
from workers.watching.placement import move_aside, place, targets
from workers.watching.record import Record

LOOK_SECONDS = 1.0  # between two looks at the folder
_TROUBLE_SECONDS = 10.0  # after a fault of the machine, such as a full disk
_MOST_A_LOOK = 100  # pictures: what comes meanwhile is seen after them
_COPY_BYTES = 1 << 20
_REPLACED = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EINVAL}
"""Of opening a file that is gone, or has given its place, or its folder's, to a link or a pipe."""


class _Changed(Exception):
    """The file changed while it was read: the next look finds it again."""


class _Unreadable(Exception):
    """This program may not read the file."""


@dataclass
class Watcher:
    """Looks at the folder of ``order`` until it is stopped, or once.

    Of the same pictures results are made once, also if this program is killed: ``record`` knows
    them. A picture that cannot be processed is moved aside with the reason; a fault of the machine
    is no reason, and is tried again. ``tell`` takes a line for each picture that is done, ``warn``
    one for each that is not; both may have control characters of a file name.
    """

    order: Order
    settings: Settings
    catalogue: Catalogue
    record: Record
    children: ChildPool
    scratch: Path
    tell: Callable[[str], None]
    warn: Callable[[str], None]
    failed: int = 0
    _done: dict[Path, Stamp] = field(default_factory=dict)
    _put_off: dict[Path, Found] = field(default_factory=dict)
    _crashes: dict[Path, int] = field(default_factory=dict)
    _unreadable: set[Path] = field(default_factory=set)
    _trouble: bool = False

    async def run(self, stop: asyncio.Event, *, once: bool = False) -> None:
        """Process what is there and what comes, until ``stop`` is set.

        ``once``: return when nothing is left to do.

        Raises:
            OSError: the folder cannot be read.
        """
        looking = asyncio.create_task(self._look(once=once))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                await looking
        finally:
            looking.cancel()
            stopped.cancel()
            await asyncio.gather(looking, stopped, return_exceptions=True)

    async def _look(self, *, once: bool) -> None:
        scan = FolderScan(self.order.source, [self.order.results, self.order.failed])
        asked = self.order.asked(self.settings, self.catalogue)
        memory = MemorySemaphore(memory_estimate.worker_budget(self.settings.worker))
        at_once = asyncio.Semaphore(self.settings.worker.child_processes)
        while True:
            found = await asyncio.to_thread(scan.look)
            left = [each for each in found if not self._is_done(each, asked)]
            due = [each for each in left if not each.young or each != self._put_off.get(each.path)]
            self._trouble = False
            await asyncio.gather(
                *(self._process(each, asked, memory, at_once) for each in due[:_MOST_A_LOOK])
            )
            if once and not scan.unsettled and self._unreadable.issuperset(e.path for e in left):
                return
            if len(due) <= _MOST_A_LOOK or self._trouble:
                await asyncio.sleep(_TROUBLE_SECONDS if self._trouble else LOOK_SECONDS)

    def _is_done(self, found: Found, asked: str) -> bool:
        if self._done.get(found.path) == found.stamp:
            return True
        if not self.record.has(found.path, found.stamp, asked):
            return False
        self._done[found.path] = found.stamp
        return True

    async def _process(
        self, found: Found, asked: str, memory: MemorySemaphore, at_once: asyncio.Semaphore
    ) -> None:
        async with at_once:
            shown = self.order.source / found.path
            try:
                made = await self._make(found, asked, memory)
            except _Changed:
                return
            except _Unreadable as error:
                self._leave(found, str(error))
            except InsufficientResources as error:
                self._wait_after(shown, error.detail)
            except WorkerCrashed as error:
                self._crashes[found.path] = self._crashes.get(found.path, 0) + 1
                if self._crashes[found.path] >= self.settings.worker.max_attempts:
                    await self._refuse(found, error)
            except AppError as error:
                await self._refuse(found, error)
            except (OSError, sqlite3.OperationalError) as error:  # of the record, on a full disk
                self._wait_after(shown, str(error))
            else:
                self._done[found.path] = found.stamp
                self._unreadable.discard(found.path)
                names = ", ".join(str(self.order.results / each) for each in made)
                self.tell(f"{shown} -> {names}")

    def _wait_after(self, shown: Path, reason: str) -> None:
        """Say what the machine lacks; the picture stays where it is."""
        self._trouble = True
        self.warn(f"{shown}: {reason}; it is tried again")

    def _leave(self, found: Found, reason: str) -> None:
        """Say once that a file cannot be read; it may be permitted later, also by who writes it."""
        if not found.young and found.path not in self._unreadable:
            self._unreadable.add(found.path)
            self.failed += 1
            self.warn(f"{self.order.source / found.path}: {reason}; it stays where it is")

    async def _refuse(self, found: Found, error: AppError) -> None:
        """Move a picture aside; one that changed lately may still be written, and stays."""
        if found.young:
            self._put_off[found.path] = found
            return
        self._put_off.pop(found.path, None)
        reason = f"{error.code}: {error.detail}"
        try:
            target = await asyncio.to_thread(
                move_aside, self.order.source, found.path, self.order.failed, reason
            )
        except OSError as trouble:
            self._wait_after(self.order.source / found.path, f"cannot be moved aside: {trouble}")
            return
        self.failed += 1
        self.warn(f"{self.order.source / found.path}: {reason}; moved to {target}")

    async def _make(self, found: Found, asked: str, memory: MemorySemaphore) -> list[Path]:
        """Return the paths of the results, below the folder of results."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            original = Path(name) / "original"
            await asyncio.to_thread(self._copy, found, original)
            header = await asyncio.to_thread(self._inspect, original)
            order = self.order
            encoding = final_encoding(order.operations, order.format or header.format)
            limit = self.settings.uploads.max_output_pixels
            for size in result_sizes(order.operations, (header.width, header.height), limit):
                check_side(*size, encoding.format)
            tile = self.settings.networks.tile_pixels
            need, fixed = memory_estimate.estimate(
                header, order.operations, encoding.format, self.catalogue, tile
            )
            memory_estimate.check_fits(need, self.settings.worker, fixed)
            count = result_count(order.operations)
            request = Request(
                str(original),
                name,
                [each.document() for each in order.operations],
                encoding.format,
                encoding.quality,
                encoding.progressive,
                encoding.max_bytes,
                memory_bytes=need,
                result_count=count,
                metadata=order.metadata,
                frames=count_frames(header, order.operations, encoding.format),
            )
            async with memory.reserve(need):
                message = await self.children.run(request, lambda *_: None)
            if "defect" in message:
                last = str(message["defect"]).strip().splitlines()[-1:]
                raise InternalError(f"an unexpected error, please report it: {' '.join(last)}")
            if "error" in message:
                raise from_document(message["error"])
            # Chosen only now: another picture in work may have taken a name meanwhile.
            paths = targets(found.path, encoding.format, count, self.record)
            self.record.begin(found.path, found.stamp, asked, paths)
            results = [str(each["path"]) for each in message["results"]]
            await asyncio.to_thread(place, results, paths, order.results)
            self.record.finish(found.path)
            return paths

    def _copy(self, found: Found, to: Path) -> None:
        """Copy the file as it was found.

        Raises:
            _Changed: it is another by now. _Unreadable: it may not be read.
            TooLarge: it has more than MAX_UPLOAD_BYTES.
        """
        limit = self.settings.uploads.max_upload_bytes
        if found.stamp.size > limit:
            raise TooLarge(
                f"the file has {found.stamp.size} bytes; at most {limit} pass (MAX_UPLOAD_BYTES)",
                setting="MAX_UPLOAD_BYTES",
                limit=limit,
                measured=found.stamp.size,
            )
        root = os.open(self.order.source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with (
                open_folder(root, found.path.parent.parts) as folder,
                open_file(found.path.name, folder) as file,
            ):
                with to.open("wb") as out:
                    left = found.stamp.size
                    while left and (data := file.read(min(left, _COPY_BYTES))):
                        out.write(data)
                        left -= len(data)
                if Stamp.of(os.fstat(file.fileno())) != found.stamp:
                    raise _Changed
        except OSError as error:
            if error.errno in _REPLACED:
                raise _Changed from None
            if isinstance(error, PermissionError):
                raise _Unreadable(error.strerror) from None
            raise

    def _inspect(self, original: Path) -> ImageHeader:
        with original.open("rb") as file:
            return inspect(file, self.settings.uploads.accepted_formats)
