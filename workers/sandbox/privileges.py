"""Drop the privileges of a child process."""

from __future__ import annotations

import ctypes
import signal

from workers.sandbox.libc import checked, libc, prctl

_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop() -> None:
    """Drop root's capabilities, and die with the worker whatever C code is running.

    Other processes of the same user can no longer read its memory, and it leaves no core file.

    Raises:
        OSError: the kernel refuses.
        AttributeError: not Linux.
    """
    prctl("PR_SET_NO_NEW_PRIVS", _NO_NEW_PRIVS, 1)
    prctl("PR_SET_DUMPABLE", _DUMPABLE, 0)
    prctl("PR_SET_PDEATHSIG", _PDEATHSIG, signal.SIGKILL)
    # Effective, permitted and inheritable capabilities, two words of each: none.
    header, none = _Header(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    checked("capset", libc.capset(ctypes.byref(header), none))
