"""Paths that a child may read: code, libraries, networks, and system information.

The root of the checkout is not among them: it holds ``.env`` and perhaps the data of the stores.
Where Darkroom is installed, its root holds packages only, and is.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")
_SYSTEM_FOLDERS = ("/sys/devices/system", "/sys/kernel/mm")  # cores, caches, huge pages
_FILES = (
    # Quotas of cores, which OpenCV reads; the folder would show names of services and containers.
    *("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpuset/cpuset.cpus"),
    *("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    *("/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf"),
    *("/usr/share/locale/locale.alias", "/dev/null", "/dev/urandom"),
)
PROC = (
    *("/proc/self/status", "/proc/self/maps"),  # memory in use; glibc looks for the stack
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
)
"""Nothing else of /proc: it shows other processes, connections and mounted disks of the machine."""


def folders(networks: Path) -> list[Path]:
    """Return the folders that a child reads recursively; some may not exist."""
    return [
        *(ROOT / name for name in ("models", "workers", "weights")),
        networks,
        *_python_folders(),
        *map(Path, _LIBRARY_FOLDERS + _SYSTEM_FOLDERS),
        *(Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if part),
        *_link_targets(networks),
    ]


def files() -> list[Path]:
    """Return the single files that a child reads; some may not exist."""
    return [Path(path) for path in _FILES]


def _python_folders() -> Iterator[Path]:
    """Yield the import paths, and the libraries beside Python's standard library."""
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    for part in sys.path:
        folder = Path(part).resolve()
        if part and (folder in installed or not ROOT.is_relative_to(folder)):
            yield Path(part)
    for name in ("stdlib", "platstdlib"):
        yield Path(sysconfig.get_path(name)).parent


def _link_targets(networks: Path) -> Iterator[Path]:
    """Yield the targets of links among the networks, which may lie anywhere."""
    if networks.is_dir():
        yield from (path.resolve() for path in networks.iterdir() if path.is_symlink())
