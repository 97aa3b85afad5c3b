"""Pictures to send: a path, bytes, or an open file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Picture:
    """A name, by which results are named, and a function that opens the bytes, once a try."""

    name: str
    open: Callable[[], BinaryIO]

    @classmethod
    def of_bytes(cls, data: bytes, name: str = "image") -> Picture:
        return cls(name, lambda: io.BytesIO(data))


Source = str | os.PathLike[str] | bytes | BinaryIO | Picture


def picture(source: Source) -> Picture:
    """Return the picture of a source.

    An open file is read at once, from where it stands: it may be sent more than once.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, bytes):
        return Picture.of_bytes(source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return Picture(path.name, lambda: path.open("rb"))
    name = getattr(source, "name", "")
    data = source.read()
    return Picture.of_bytes(data, Path(name).name if isinstance(name, str) and name else "image")
