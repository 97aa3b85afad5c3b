"""The worker's temporary folder for originals and results; folders of dead workers are removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def create() -> Path:
    """Return a new folder for this worker, after removing the folders of dead workers.

    It is in the system's temporary folder (TMPDIR), readable only by this user.

    Raises:
        PermissionError: another user owns the folder of our name.
    """
    base = Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid():
        raise PermissionError(f"{base} belongs to another user; set TMPDIR")
    for folder in base.iterdir():
        # Our own pid too: in a container a restarted worker gets the same one.
        if folder.name == str(os.getpid()) or not _alive(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
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
