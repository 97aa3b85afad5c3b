"""System calls without a Python function, through ctypes; each failure is an OSError."""

from __future__ import annotations

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def checked(name: str, result: int) -> int:
    """Return ``result`` of a libc call.

    Raises:
        OSError: it failed; the text starts with ``name``.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(name: str, option: int, *values: int | ctypes.c_void_p) -> int:
    """Set a process option of the kernel; ``name`` is the option's, for the error.

    Raises:
        OSError: the kernel refuses or does not know it.
        AttributeError: not Linux.
    """
    arguments = [v if isinstance(v, ctypes.c_void_p) else ctypes.c_ulong(v) for v in values]
    arguments += [ctypes.c_ulong(0)] * (4 - len(arguments))
    return checked(name, libc.prctl(ctypes.c_int(option), *arguments))


def syscall(name: str, number: int, *values: int | ctypes.c_void_p) -> int:
    """Call the kernel by number, for calls without a libc function.

    Raises:
        OSError: the kernel refuses or does not know it.
    """
    arguments = [v if isinstance(v, ctypes.c_void_p) else ctypes.c_long(v) for v in values]
    return checked(name, int(libc.syscall(ctypes.c_long(number), *arguments)))
