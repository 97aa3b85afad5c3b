"""System calls that a child may make, with numbers for x86-64 and 64-bit ARM (``-``: none).

strace showed these, or similar ones, in Python, OpenCV and OpenVINO. All others are
refused: sockets, programs, processes, mounts, keys, io_uring, bpf, memory of other processes.
So are unlink and rename: ``workers.child.disk_quota`` does not see a file without a name.
"""

from __future__ import annotations

import platform

_ALLOWED = {
    "files": "access 21 -, close 3 57, dup 32 23, dup2 33 -, dup3 292 24, faccessat 269 48, "
    "faccessat2 439 439, fadvise64 221 223, fallocate 285 47, fdatasync 75 83, flock 73 32, "
    "fstat 5 80, fstatfs 138 44, fsync 74 82, ftruncate 77 46, getcwd 79 17, getdents64 217 61, "
    "lseek 8 62, lstat 6 -, newfstatat 262 79, pread64 17 67, "
    "preadv 295 69, pwrite64 18 68, pwritev 296 70, read 0 63, readlink 89 -, readlinkat 267 78, "
    "readv 19 65, stat 4 -, statfs 137 43, statx 332 291, umask 95 166, write 1 64, writev 20 66",
    "memory": "brk 12 214, get_mempolicy 239 236, madvise 28 233, mbind 237 235, "
    "membarrier 324 283, mincore 27 232, mprotect 10 226, mremap 25 216, "
    "msync 26 227, munmap 11 215, set_mempolicy 238 237",
    "threads": "exit 60 93, exit_group 231 94, futex 202 98, get_robust_list 274 100, "
    "getcpu 309 168, restart_syscall 219 128, rseq 334 293, sched_get_priority_max 146 125, "
    "sched_get_priority_min 147 126, sched_getaffinity 204 123, sched_getparam 143 121, "
    "sched_getscheduler 145 120, sched_yield 24 124, "
    "set_robust_list 273 99, set_tid_address 218 96",
    "signals": "rt_sigaction 13 134, rt_sigpending 127 136, rt_sigprocmask 14 135, "
    "rt_sigreturn 15 139, rt_sigsuspend 130 133, rt_sigtimedwait 128 137, sigaltstack 131 132",
    "waiting": "clock_getres 229 114, clock_gettime 228 113, clock_nanosleep 230 115, "
    "epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22, epoll_wait 232 -, "
    "eventfd2 290 19, getitimer 36 102, gettimeofday 96 169, nanosleep 35 101, pipe2 293 59, "
    "poll 7 -, ppoll 271 73, pselect6 270 72, select 23 -, setitimer 38 103, time 201 -, "
    "times 100 153",
    "itself": "arch_prctl 158 -, getegid 108 177, geteuid 107 175, getgid 104 176, getpgrp 111 -, "
    "getpgid 121 155, getpid 39 172, getppid 110 173, getrandom 318 278, getrlimit 97 163, "
    "getrusage 98 165, getsid 124 156, gettid 186 178, getuid 102 174, "
    "sysinfo 99 179, uname 63 160",
}
_ARGUMENT_CHECKED = (
    "clone 56 220, clone3 435 435, fcntl 72 25, ioctl 16 29, kill 62 129, mmap 9 222, open 2 -, "
    "openat 257 56, prctl 157 167, prlimit64 302 261, sched_setaffinity 203 122, tgkill 234 131"
)
"""Calls that are allowed or refused by an argument."""

NEWEST_KNOWN = 462
"""Higher numbers (from mseal, Linux 6.10) get ENOSYS: libraries then do without them, as on an
older kernel."""

_AUDIT_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of linux/audit.h."""


def audit_arch() -> int:
    """Return the AUDIT_ARCH_* number of this machine.

    Raises:
        OSError: its system calls are not listed here.
    """
    name = platform.machine()
    if name not in _AUDIT_ARCHES:
        raise OSError(
            f"the system calls of {name} are not listed (workers/sandbox/syscall_table.py)"
        )
    return _AUDIT_ARCHES[name]


def allowed() -> list[int]:
    """Return the numbers of the calls that are always allowed on this machine."""
    return [number for text in _ALLOWED.values() for number in _numbers(text).values()]


def argument_checked() -> dict[str, int]:
    """Return the numbers, by name, of the calls decided by an argument on this machine."""
    return _numbers(_ARGUMENT_CHECKED)


def _numbers(text: str) -> dict[str, int]:
    column = 1 + list(_AUDIT_ARCHES).index(platform.machine())
    rows = [entry.split() for entry in text.split(", ")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
