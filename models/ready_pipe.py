"""Notify the parent process, through a pipe, that this process is ready."""

from __future__ import annotations

import contextlib
import os


def notify_ready(descriptor: int | None) -> None:
    """Write a line to ``descriptor``, the write end of a pipe, and close it; None: do nothing.

    A process that ends before it is ready closes the pipe without a line.
    """
    if descriptor is None:
        return
    with contextlib.suppress(OSError):  # the parent may have given up
        os.write(descriptor, b"ready\n")
    with contextlib.suppress(OSError):
        os.close(descriptor)
