"""Tests of watched folders, and what they share: pictures, and children that only copy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import images
from workers.child.request import Request
from workers.watching.watcher import Watcher

PNG, JPEG = images.png(40, 30), images.jpeg(60, 40)


class Children:
    """In place of a ChildPool: copies each picture to its results, as ``answer`` says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Any] = self.copies

    async def run(self, request: Request, progress: Any) -> Any:
        self.requests.append(request)
        return self.answer(request)

    def copies(self, request: Request) -> Any:
        made = []
        for number in range(request.result_count):
            path = Path(request.folder) / f"result-{number}"
            path.write_bytes(Path(request.source).read_bytes())
            made.append({"path": str(path)})
        return {"results": made}


def put(path: Path, data: bytes, *, old: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if old:
        os.utime(path, (1000, 1000))


def listed(folder: Path) -> list[str]:
    """Return the files below ``folder`` that are not the watcher's own."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not path.name.startswith(".darkroom"))


async def once(watching: Watcher) -> None:
    await asyncio.wait_for(watching.run(asyncio.Event(), once=True), 30)
