"""What a child is: nobody that anybody's program would obey."""

from __future__ import annotations

import ctypes
import signal

from workers.sandbox.libc import capset, prctl

_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop() -> None:
    """Give up what being root gives, and die with the worker whatever C code is stuck in.

    Others of the same user can no longer look into its memory, nor does it leave a core.

    Raises:
        OSError: the kernel refuses.
    """
    prctl("PR_SET_NO_NEW_PRIVS", _NO_NEW_PRIVS, 1)
    prctl("PR_SET_DUMPABLE", _DUMPABLE, 0)
    prctl("PR_SET_PDEATHSIG", _PDEATHSIG, signal.SIGKILL)
    # Effective, permitted and inheritable capabilities, two words of each: none.
    capset(_Header(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())
