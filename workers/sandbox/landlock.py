"""Landlock (landlock(7), Linux 5.13 and later): which files a process reaches, root or not.

Later kernels also refuse TCP (ABI 4), devices' own commands (5), and abstract sockets and signals
to processes outside (6). It also forbids to look into those, /proc included.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from workers.sandbox.libc import syscall
from workers.sandbox.readable_paths import PROC

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every machine
_VERSION = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_MAKE_REG, _TRUNCATE = 1 << 8, 1 << 14
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}  # by ABI; from 5 on there are 16
_FS_MOST = 16
_NET = 3  # binding and connecting TCP
_SCOPES = 3  # abstract sockets, signals
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE

_READ = _READ_FILE | _READ_DIR
_OWN = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG  # not to remove: see ``calls``

_UNREACHED = (FileNotFoundError, NotADirectoryError, PermissionError)

_pinned: list[int] = []
"""Rules are about inodes, and those of /proc are made anew once nobody holds them."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the version of Landlock that this kernel has.

    Raises:
        OSError: none, or it was turned off.
    """
    return syscall("Landlock", _CREATE, 0, 0, _VERSION)


def restrict(own: Path, folders: Iterable[Path], files: Iterable[Path]) -> None:
    """Leave this process its ``own`` folder to read and write, ``folders`` and ``files`` to read.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    version = abi()
    handled = (1 << _FS_BITS.get(version, _FS_MOST)) - 1
    ruleset = _Ruleset(handled, _NET if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    # An older kernel knows a shorter structure, and takes a longer one whose rest is 0.
    rules = syscall("landlock_create_ruleset", _CREATE, _at(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        _allow(rules, own, _OWN & handled)
        for path in (*folders, *files):
            with suppress(*_UNREACHED):
                _allow(rules, path, _READ)
        with suppress(*_UNREACHED):
            _allow(rules, Path("/dev/null"), _WRITE_FILE)
        for name in PROC:
            with suppress(*_UNREACHED):
                _pinned.append(_allow(rules, Path(name), _READ, keep=True))
        syscall("landlock_restrict_self", _RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, access: int, *, keep: bool = False) -> int:
    """Allow ``access`` to ``path`` and what lies below it; return a descriptor if it is kept."""
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= _OF_FILES
        rule = _Beneath(access, parent)
        syscall("landlock_add_rule", _ADD_RULE, rules, _PATH_BENEATH, _at(rule), 0)
    except BaseException:
        os.close(parent)
        raise
    if not keep:
        os.close(parent)
    return parent


def _at(structure: ctypes.Structure) -> ctypes.c_void_p:
    return ctypes.cast(ctypes.byref(structure), ctypes.c_void_p)
