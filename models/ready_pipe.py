"""How a program tells whoever started it that it does its work now."""

from __future__ import annotations

import contextlib
import os


def tell(descriptor: int | None) -> None:
    """Write a line to ``descriptor``, the writing end of a pipe, and close it; None: nobody asks.

    A program that ends before it was ready closes its end without a line.
    """
    if descriptor is None:
        return
    with contextlib.suppress(OSError):  # who asked may have given up
        os.write(descriptor, b"ready\n")
    with contextlib.suppress(OSError):
        os.close(descriptor)
