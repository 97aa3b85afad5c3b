"""Recognise a refused allocation, however a library reports it, and turn it into an AppError."""

from __future__ import annotations

import cv2

from models.errors import TooMuchMemory

_MESSAGES = ("bad_alloc", "Failed to allocate", "can't alloc", "could not allocate")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether ``error`` says that memory was refused."""
    if isinstance(error, cv2.error) and error.code == cv2.Error.STS_NO_MEM:
        return True
    return isinstance(error, MemoryError) or any(text in str(error) for text in _MESSAGES)


def out_of_memory(predicted: int) -> TooMuchMemory:
    """Return the error for a task that needed far more than the ``predicted`` bytes."""
    return TooMuchMemory(
        f"the picture needed far more memory than the {predicted // 1_000_000} MB predicted for "
        "it, and processing was stopped",
        setting="MEMORY_BUDGET",
        limit=predicted,
    )
