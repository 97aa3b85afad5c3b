"""seccomp (seccomp(2), Linux 3.5 and later): which system calls a process may make.

The filter is one small program in the kernel's classic BPF. A refused call gets EPERM, not a
signal: libraries try calls that they do not need. mprotect stays allowed, executable memory
included: OpenVINO compiles networks to machine code.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterable

from workers.sandbox import syscall_table
from workers.sandbox.libc import prctl

_SET_SECCOMP, _MODE_FILTER = 22, 2

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06  # BPF_*, all of words
_AND = 0x54
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000  # SECCOMP_RET_*
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_CLONE_THREAD = 0x10000
_MAP_GROWSDOWN = 0x100
_PRCTL_OPTIONS = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA
_IOCTL_REQUESTS = (
    *(0x5401, 0x5413, 0x802C542A),  # TCGETS, TIOCGWINSZ, TCGETS2: is it a terminal, how large
    *(0x5450, 0x5451),  # FIONCLEX, FIOCLEX
)
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 6, 7, 1030)  # F_DUPFD to F_SETLKW, F_DUPFD_CLOEXEC

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install_filter() -> None:
    """Allow this thread, and threads it starts later, only the calls of ``syscall_table``.

    Raises:
        OSError: the kernel has no seccomp, or the architecture is not listed.
    """
    code = b"".join(
        struct.pack("=HBBI", *instruction) for instruction in _filter_program(os.getpid())
    )
    program = _Program(len(code) // 8, code)
    pointer = ctypes.cast(ctypes.byref(program), ctypes.c_void_p)
    prctl("PR_SET_SECCOMP", _SET_SECCOMP, _MODE_FILTER, pointer)


def _filter_program(pid: int) -> list[Instruction]:
    """Return the filter for the process ``pid``."""
    number = syscall_table.argument_checked()
    instructions: list[Instruction] = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, syscall_table.audit_arch()),
        _return(_KILL),  # the same numbers mean other calls on another architecture
        (_LOAD, 0, 0, _NUMBER),
    ]
    for call in syscall_table.allowed():
        instructions += [(_EQUAL, 0, 1, call), _return(_ALLOW)]
    instructions += [
        # Its flags lie in memory that no filter can read: on ENOSYS libraries fall back to clone.
        *_on_call(number["clone3"], [_error(errno.ENOSYS)]),
        *_on_call(number["clone"], _allow_argument(0, [_CLONE_THREAD], _ANY_BIT)),
        *_on_call(number["fcntl"], _allow_argument(1, _FCNTL_COMMANDS)),
        *_on_call(number["ioctl"], _allow_argument(1, _IOCTL_REQUESTS)),
        *_on_call(number["mmap"], _check_map_flags()),
        *(_on_call(number["open"], _check_open_flags(1)) if "open" in number else ()),
        *_on_call(number["openat"], _check_open_flags(2)),
        *_on_call(number["sched_setaffinity"], _allow_argument(0, [0])),  # the calling thread
        *_on_call(number["kill"], _allow_argument(0, [pid])),
        *_on_call(number["tgkill"], _allow_argument(0, [pid])),
        *_on_call(number["prctl"], _allow_argument(0, _PRCTL_OPTIONS)),
        *_on_call(number["prlimit64"], _allow_reading_own_limits(pid)),
        (_GREATER, 0, 1, syscall_table.NEWEST_KNOWN),
        _error(errno.ENOSYS),
        _error(errno.EPERM),
    ]
    return instructions


def _on_call(number: int, then: list[Instruction]) -> list[Instruction]:
    """Return instructions that run ``then`` for one call; ``then`` must return."""
    return [(_EQUAL, 0, len(then), number), *then]


def _allow_argument(
    index: int, allowed_values: Iterable[int], test: int = _EQUAL
) -> list[Instruction]:
    """Allow a call if its argument (the low word) is one of ``allowed_values``; else EPERM."""
    instructions = [(_LOAD, 0, 0, _ARGUMENTS + 8 * index)]
    for value in allowed_values:
        instructions += [(test, 0, 1, value), _return(_ALLOW)]
    return [*instructions, _error(errno.EPERM)]


def _check_map_flags() -> list[Instruction]:
    """Allow mapping memory, except anonymous memory that RLIMIT_DATA does not count.

    It counts neither shared memory nor a mapping that grows like a stack.
    """
    return [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * 3),
        (_ANY_BIT, 0, 1, _MAP_GROWSDOWN),
        _error(errno.EPERM),
        (_AND, 0, 0, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS),
        (_EQUAL, 0, 1, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS),
        _error(errno.EPERM),
        _return(_ALLOW),
    ]


def _allow_reading_own_limits(pid: int) -> list[Instruction]:
    """Allow prlimit of this process without a new limit: only the worker sets one."""
    new_limit = _ARGUMENTS + 8 * 2
    instructions: list[Instruction] = []
    for word in (new_limit, new_limit + 4):  # a pointer: both halves
        instructions += [(_LOAD, 0, 0, word), (_EQUAL, 1, 0, 0), _error(errno.EPERM)]
    return [*instructions, *_allow_argument(0, [0, pid])]


def _check_open_flags(index: int) -> list[Instruction]:
    """Allow opening a file, except with flags for which Landlock needs no right.

    Before Landlock ABI 3 O_TRUNC empties a read-only file; access mode 3, of old drivers, is
    neither reading nor writing. And a file without a name escapes the disk quota.
    """
    nameless = os.O_TMPFILE & ~os.O_DIRECTORY
    bad = (os.O_RDONLY | os.O_TRUNC, os.O_ACCMODE, os.O_ACCMODE | os.O_TRUNC)
    instructions = [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * index),
        (_ANY_BIT, 0, 1, nameless),
        _error(errno.EPERM),
        (_AND, 0, 0, os.O_ACCMODE | os.O_TRUNC),
    ]
    for flags in bad:
        instructions += [(_EQUAL, 0, 1, flags), _error(errno.EPERM)]
    return [*instructions, _return(_ALLOW)]


def _return(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _error(number: int) -> Instruction:
    return _return(_ERRNO | number)
