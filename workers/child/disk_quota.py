"""Limit the files in a child's folder: an image that took a child over could fill the disk.

RLIMIT_FSIZE limits each file; the kernel limits neither their number nor their total size.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import AppError
from models.operations import load
from models.operations.steps import result_count
from workers.child.request import Request

_EXTRA_FILES = 16  # beside those of the task, for temporary files of libraries
_BYTES_PER_PIXEL = 8  # 16 bits with alpha: no result is much larger
_MAX_PROFILE_BYTES = 255 * 65_519  # the largest in a JPEG; every result repeats the profile
_OVERHEAD_BYTES = 2 << 20  # of a result, beside pixels and profile
_BLOCK_BYTES = 512  # the unit of st_blocks on every file system


@dataclass(frozen=True)
class DiskQuota:
    """At most ``files`` files, ``bytes`` bytes in total."""

    files: int = _EXTRA_FILES
    bytes: int = _EXTRA_FILES * _OVERHEAD_BYTES

    @classmethod
    def for_request(cls, request: Request, result_pixels: int, kept_pixels: int) -> DiskQuota:
        """Return the quota that ``request`` needs.

        ``result_pixels``: maximum of all results together; ``kept_pixels``: maximum of each
        intermediate result.
        """
        original, kept = Path(request.source).stat().st_size, len(request.keep)
        files = _result_count(request) + kept + _EXTRA_FILES
        samples = (result_pixels + kept * kept_pixels) * _BYTES_PER_PIXEL
        return cls(
            files,
            original + samples + files * (min(original, _MAX_PROFILE_BYTES) + _OVERHEAD_BYTES),
        )

    async def is_exceeded(self, folder: Path) -> bool:
        """Return the same as ``exceeded``, in a thread unless there is nothing to look at."""
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            if next(entries, None) is not None:
                return await asyncio.to_thread(self.exceeded, folder)
        return False

    def exceeded(self, folder: Path) -> bool:
        """Return whether ``folder`` holds more; stops looking as soon as it does."""
        size = 0
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for number, entry in enumerate(entries, 1):
                with suppress(FileNotFoundError):  # the worker just collected it
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                if number > self.files or size > self.bytes:
                    return True
        return False


def _result_count(request: Request) -> int:
    """Return the number of results of the request."""
    try:
        return result_count([load(document) for document in request.operations])
    except (AppError, LookupError):  # the child will report it
        return 1
