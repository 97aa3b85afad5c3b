"""Where the wheels put the servers, or why there are none."""

from __future__ import annotations

import importlib.util
import platform
from pathlib import Path


class NoServer(Exception):
    """This machine has no embedded server of that kind; the text says what to do."""


def find(package: str, inside: str, url_setting: str) -> Path:
    """Return the path of the program ``inside`` the installed wheel of ``package``.

    Raises:
        NoServer: the wheel is not installed, most likely because the platform has none.
    """
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # the parent of a namespace package is missing
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / inside
        if program.is_file():
            return program
    raise NoServer(
        f"there is no embedded {Path(inside).name} for this platform "
        f"({platform.system()} {platform.machine()}); set {url_setting} to a server of yours, "
        "or use docker compose (see README)"
    )
