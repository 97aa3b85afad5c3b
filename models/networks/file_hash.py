"""Hashes of networks' files, by which they are identified."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def file_state(path: Path) -> tuple[int, int, int] | None:
    """Return a value that changes with the file at ``path``; None if the file is missing."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def has_hash(path: Path, sha256: str, problems: list[str]) -> bool:
    """Return whether the file exists with this hash; add a sentence if its hash differs."""
    try:
        if not path.is_file():
            return False
        actual = _hash_in_state(path, file_state(path))
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return False
    if actual != sha256:
        problems.append(f"{path}: its SHA-256 is {actual}, not {sha256}: it is not used")
    return actual == sha256


@lru_cache(maxsize=256)
def _hash_in_state(path: Path, _state: tuple[int, int, int] | None) -> str:
    """Return the SHA-256 of a file, read once in each state: the bundled ones are 18 MB."""
    return hash_file(path)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
