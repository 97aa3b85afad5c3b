"""Landlock (landlock(7), Linux 5.13 and later): which files a process reaches, root or not.

Later kernels also block TCP (ABI 4), device ioctls (5), and abstract sockets and signals to
processes outside (6). Landlock also blocks access to those processes, /proc included.
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
_FS_BITS_NEWEST = 16
_NET_RIGHTS = 3  # binding and connecting TCP
_SCOPES = 3  # abstract sockets, signals
_FILE_RIGHTS = _WRITE_FILE | _READ_FILE | _TRUNCATE

_READ_RIGHTS = _READ_FILE | _READ_DIR
# No right to remove files: see ``syscall_table``.
_OWN_FOLDER_RIGHTS = _READ_RIGHTS | _WRITE_FILE | _TRUNCATE | _MAKE_REG

_UNREACHABLE = (FileNotFoundError, NotADirectoryError, PermissionError)

_proc_descriptors: list[int] = []
"""Kept open: rules refer to inodes, and /proc recreates an inode that is not in use."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi_version() -> int:
    """Return the Landlock version of this kernel.

    Raises:
        OSError: it has none, or it is disabled.
    """
    return syscall("Landlock", _CREATE, 0, 0, _VERSION)


def restrict(own: Path, folders: Iterable[Path], files: Iterable[Path]) -> None:
    """Allow only: read and write ``own``, read ``folders`` and ``files``.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    version = abi_version()
    handled = (1 << _FS_BITS.get(version, _FS_BITS_NEWEST)) - 1
    ruleset = _Ruleset(handled, _NET_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    # An older kernel knows a shorter structure, and accepts a longer one if the rest is 0.
    rules = syscall(
        "landlock_create_ruleset", _CREATE, _pointer(ruleset), ctypes.sizeof(ruleset), 0
    )
    try:
        _allow(rules, own, _OWN_FOLDER_RIGHTS & handled)
        for path in (*folders, *files):
            with suppress(*_UNREACHABLE):
                _allow(rules, path, _READ_RIGHTS)
        with suppress(*_UNREACHABLE):
            _allow(rules, Path("/dev/null"), _WRITE_FILE)
        for name in PROC:
            with suppress(*_UNREACHABLE):
                _proc_descriptors.append(_allow(rules, Path(name), _READ_RIGHTS, keep=True))
        syscall("landlock_restrict_self", _RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, access: int, *, keep: bool = False) -> int:
    """Allow ``access`` to ``path`` and all below; return its descriptor, open if ``keep``."""
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= _FILE_RIGHTS
        rule = _PathBeneath(access, parent)
        syscall("landlock_add_rule", _ADD_RULE, rules, _PATH_BENEATH, _pointer(rule), 0)
    except BaseException:
        os.close(parent)
        raise
    if not keep:
        os.close(parent)
    return parent


def _pointer(structure: ctypes.Structure) -> ctypes.c_void_p:
    return ctypes.cast(ctypes.byref(structure), ctypes.c_void_p)
