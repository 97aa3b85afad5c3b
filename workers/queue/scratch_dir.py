"""Where originals and results lie while a child works; none of it outlives its worker long."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def claim() -> Path:
    """Return a folder for this worker alone, after removing those of workers that died.

    It lies in the system's temporary folder (TMPDIR), readable by this user only.

    Raises:
        PermissionError: somebody else made the folder of our name.
    """
    base = Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid():
        raise PermissionError(f"{base} belongs to somebody else; set TMPDIR")
    for left in base.iterdir():
        # Our own number too: in a container every worker has the same one after a restart.
        if left.name == str(os.getpid()) or not _alive(left.name):
            shutil.rmtree(left, ignore_errors=True)
    mine = base / str(os.getpid())
    mine.mkdir(mode=0o700)
    return mine


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True
