"""seccomp (seccomp(2), Linux 3.5 and later): which system calls a process may make.

One small program of the kernel's classic BPF. What is refused gets EPERM, not a signal: libraries
ask for what they can do without. mprotect stays free, to make code executable too: OpenVINO
compiles networks to machine code.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from workers.sandbox import syscall_table
from workers.sandbox.libc import prctl

_SECCOMP, _MODE_FILTER = 22, 2

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06  # BPF_*, all of words
_AND = 0x54
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000  # SECCOMP_RET_*
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # where struct seccomp_data has them

_CLONE_THREAD = 0x10000
_NAMES = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: threads and memory are named
_TERMINAL = (
    0x5401,
    0x5413,
    0x802C542A,
    0x5450,
    0x5451,
)  # asks whether it is one; FIOCLEX, FIONCLEX
_DESCRIPTORS = (0, 1, 2, 3, 4, 5, 6, 7, 1030)  # F_DUPFD to F_SETLKW, F_DUPFD_CLOEXEC

Instruction = tuple[int, int, int, int]
"""Code, jumps if true and if false, operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse() -> None:
    """Leave this thread, and those it starts from now on, the calls of ``calls`` only.

    Raises:
        OSError: the kernel has no seccomp, or the machine is not listed.
    """
    code = b"".join(struct.pack("=HBBI", *each) for each in _program(os.getpid()))
    program = _Program(len(code) // 8, code)
    pointer = ctypes.cast(ctypes.byref(program), ctypes.c_void_p)
    prctl("PR_SET_SECCOMP", _SECCOMP, _MODE_FILTER, pointer)


def _program(pid: int) -> list[Instruction]:
    """Return the filter of the process ``pid``."""
    number = syscall_table.looked_at()
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, syscall_table.machine()),
        _answer(_KILL),  # the same numbers mean other calls on another machine
        (_LOAD, 0, 0, _NUMBER),
    ]
    for each in syscall_table.allowed():
        lines += [(_EQUAL, 0, 1, each), _answer(_ALLOW)]
    lines += [
        # Its flags lie in memory, where no filter can look: libraries then ask by clone.
        *_if(number["clone3"], [_error(errno.ENOSYS)]),
        *_if(number["clone"], _argument(0, [_CLONE_THREAD], _ANY_BIT)),
        *_if(number["fcntl"], _argument(1, _DESCRIPTORS)),
        *_if(number["ioctl"], _argument(1, _TERMINAL)),
        *(_if(number["open"], _opening(1)) if "open" in number else ()),
        *_if(number["openat"], _opening(2)),
        *_if(number["sched_setaffinity"], _argument(0, [0])),  # the thread that asks
        *_if(number["kill"], _argument(0, [pid])),
        *_if(number["tgkill"], _argument(0, [pid])),
        *_if(number["prctl"], _argument(0, _NAMES)),
        *_if(number["prlimit64"], _argument(0, [0, pid])),
        (_GREATER, 0, 1, syscall_table.NEWEST),
        _error(errno.ENOSYS),
        _error(errno.EPERM),
    ]
    return lines


def _if(number: int, then: list[Instruction]) -> list[Instruction]:
    """Return what looks at one call; ``then`` ends it."""
    return [(_EQUAL, 0, len(then), number), *then]


def _argument(place: int, good: Iterable[int], test: int = _EQUAL) -> list[Instruction]:
    """Return what allows a call whose argument (its low word) is one of ``good``."""
    lines = [(_LOAD, 0, 0, _ARGUMENTS + 8 * place)]
    for value in good:
        lines += [(test, 0, 1, value), _answer(_ALLOW)]
    return [*lines, _error(errno.EPERM)]


def _opening(place: int) -> list[Instruction]:
    """Return what allows to open a file, but for what needs no right that Landlock knows of.

    Before its third version O_TRUNC empties what may only be read; access mode 3, of old drivers,
    is neither reading nor writing. And a file without a name is seen by no quota.
    """
    nameless = os.O_TMPFILE & ~os.O_DIRECTORY
    bad = (os.O_RDONLY | os.O_TRUNC, os.O_ACCMODE, os.O_ACCMODE | os.O_TRUNC)
    lines = [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * place),
        (_ANY_BIT, 0, 1, nameless),
        _error(errno.EPERM),
        (_AND, 0, 0, os.O_ACCMODE | os.O_TRUNC),
    ]
    for flags in bad:
        lines += [(_EQUAL, 0, 1, flags), _error(errno.EPERM)]
    return [*lines, _answer(_ALLOW)]


def _answer(what: int) -> Instruction:
    return (_RETURN, 0, 0, what)


def _error(number: int) -> Instruction:
    return _answer(_ERRNO | number)
