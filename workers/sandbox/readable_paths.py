"""What a child reads: code, libraries, networks, and what the system says of itself.

The root of the checkout is not among them: ``.env`` lies there, and perhaps the stores' data.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")
_MACHINE = ("/sys/devices/system", "/sys/kernel/mm", "/sys/fs/cgroup")  # cores, caches, quotas
_FILES = (
    *("/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf"),
    *("/usr/share/locale/locale.alias", "/dev/null", "/dev/urandom"),
)
PROC = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat")
"""Of /proc nothing else: there the environments of other processes lie."""


def folders(networks: Path) -> list[Path]:
    """Return the folders that are read with all below them; some may not be there."""
    return [
        *(ROOT / name for name in ("models", "workers", "weights")),
        networks,
        *_python(),
        *map(Path, _LIBRARIES + _MACHINE),
        *(Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if part),
        *_linked(networks),
    ]


def files() -> list[Path]:
    """Return the single files that are read; some may not be there."""
    return [Path(path) for path in _FILES]


def _python() -> Iterator[Path]:
    """Yield where modules come from, and beside the standard library its own libraries."""
    for part in sys.path:
        if part and not ROOT.is_relative_to(Path(part).resolve()):
            yield Path(part)
    for name in ("stdlib", "platstdlib"):
        yield Path(sysconfig.get_path(name)).parent


def _linked(networks: Path) -> Iterator[Path]:
    """Yield what links among the networks point at, which may be anywhere."""
    if networks.is_dir():
        yield from (path.resolve() for path in networks.iterdir() if path.is_symlink())
