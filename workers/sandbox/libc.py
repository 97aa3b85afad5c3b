"""System calls that Python has no function for, by ctypes; each error is an OSError."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


def checked(what: str, result: int) -> int:
    """Return ``result`` of a call to libc.

    Raises:
        OSError: it failed; says at what.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(what: str, option: int, *values: int | ctypes.c_void_p) -> int:
    """Ask the kernel through prctl; ``what`` is the option's name.

    Raises:
        OSError: the kernel refuses, or does not know it.
        AttributeError: this is no Linux.
    """
    given = [v if isinstance(v, ctypes.c_void_p) else ctypes.c_ulong(v) for v in values]
    given += [ctypes.c_ulong(0)] * (4 - len(given))
    return checked(what, _libc.prctl(ctypes.c_int(option), *given))


def syscall(what: str, number: int, *values: int | ctypes.c_void_p) -> int:
    """Ask the kernel by number: for what libc has no function of its own.

    Raises:
        OSError: the kernel refuses, or does not know it.
    """
    given = [v if isinstance(v, ctypes.c_void_p) else ctypes.c_long(v) for v in values]
    return checked(what, int(_libc.syscall(ctypes.c_long(number), *given)))


def capset(header: ctypes.Structure, data: ctypes.Array[ctypes.c_uint32]) -> None:
    """Give this process exactly these capabilities.

    Raises:
        OSError: the kernel refuses.
        AttributeError: this is no Linux.
    """
    checked("capset", _libc.capset(ctypes.byref(header), data))
