"""Programs that only a benchmark needs, each in an environment of its own below ``.venv``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".venv"


def programs(name: str, *packages: str) -> Path:
    """Return the folder of the programs of ``packages``, which the first call installs."""
    home = ENVIRONMENTS / name
    if not (home / "installed").exists():
        uv = (sys.executable, "-m", "uv")
        subprocess.run([*uv, "venv", "--quiet", "--clear", str(home)], check=True)
        python = str(home / "bin" / "python")
        install = (*uv, "pip", "install", "--quiet", "--python", python)
        subprocess.run([*install, *packages], check=True)
        (home / "installed").touch()
    return home / "bin"
