"""Recognise a refused allocation, however a library reports it, and turn it into an AppError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from models.errors import TooMuchMemory

_MESSAGES = (
    *("bad_alloc", "Failed to allocate", "can't alloc", "could not allocate"),
    *("Insufficient memory", "Memory allocation failure"),  # libjpeg's, through simplejpeg
)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether ``error`` says that memory was refused."""
    if isinstance(error, cv2.error) and error.code == cv2.Error.STS_NO_MEM:
        return True
    return isinstance(error, MemoryError) or any(text in str(error) for text in _MESSAGES)


@contextmanager
def naming_shortage(predicted: int) -> Iterator[None]:
    """Turn a shortage of memory into the same error in a child and on the command line.

    ``predicted``: bytes that the task was allowed to need; a quarter more is not refused.

    Raises:
        TooMuchMemory: memory was refused.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise TooMuchMemory(
            f"the picture needed far more memory than the {predicted // 1_000_000} MB predicted "
            "for it, and processing was stopped",
            setting="MEMORY_BUDGET",
            limit=predicted,
        ) from None
