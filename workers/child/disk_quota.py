"""How much may lie in a child's folder: one that a picture took over could fill the disk.

RLIMIT_FSIZE bounds each file; how many there are, and what all of them hold, no kernel bounds.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import AppError
from models.operations import load
from models.operations.steps import parts
from workers.child.request import Request

_FILES = 16  # beside those of the task, in case a library keeps one of its own
_SAMPLE = 8  # bytes of a pixel with alpha in 16 bits: no result is much larger than that
_PROFILE = 255 * 65_519  # bytes of the largest that a JPEG carries; each result carries it on
_REST = 2 << 20  # bytes of a result beside both
_BLOCK = 512  # bytes that st_blocks counts in, whatever the file system's are


@dataclass(frozen=True)
class Quota:
    """So many ``files``, of so many ``bytes`` together."""

    files: int = _FILES
    bytes: int = _FILES * _REST

    @classmethod
    def of(cls, request: Request, result_pixels: int, kept_pixels: int) -> Quota:
        """Return what ``request`` needs.

        ``result_pixels``: the most of all its results together; ``kept_pixels``: of each beginning
        that is kept.
        """
        original, kept = Path(request.source).stat().st_size, len(request.keep)
        files = _parts(request) + kept + _FILES
        samples = (result_pixels + kept * kept_pixels) * _SAMPLE
        return cls(files, original + samples + files * (min(original, _PROFILE) + _REST))

    def exceeded(self, folder: Path) -> bool:
        """Tell whether there is more in ``folder``; looks no further than that."""
        size = 0
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for number, entry in enumerate(entries, 1):
                with suppress(FileNotFoundError):  # a result, taken a moment ago
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                if number > self.files or size > self.bytes:
                    return True
        return False


def _parts(request: Request) -> int:
    """Return how many results it asks for."""
    try:
        return parts([load(document) for document in request.operations])
    except (AppError, LookupError):  # the child will say so
        return 1
