"""Where the command ``darkroom`` finds DATA_DIR, and networks that were fetched."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from models.settings.networks import NetworkSettings
from models.settings.stores import StoreSettings
from standalone.own_modules import ROOT

_MARK = "lock"  # the supervisor makes it, and never deletes it


def set_defaults() -> None:
    """Set DATA_DIR, and WEIGHTS_DIR of an installed Darkroom, unless the user has set them.

    DATA_DIR is, in this order: what the environment or ``.env`` says; the folder ``data`` of a
    Darkroom that ran here, in the current folder or the nearest one above; and
    ``$XDG_DATA_HOME/darkroom``, usually ``~/.local/share/darkroom``. WEIGHTS_DIR is ``weights``
    in DATA_DIR: an installed package is no place for downloads.
    """
    try:
        stores, networks = StoreSettings(), NetworkSettings()
    except ValidationError:
        return  # the command itself reads them, too, and says what is wrong
    if "data_dir" in stores.model_fields_set:
        data = stores.data_dir
    else:
        data = find(Path.cwd())
        os.environ["DATA_DIR"] = str(data)
    if "weights_dir" not in networks.model_fields_set and not is_clone(ROOT):
        os.environ["WEIGHTS_DIR"] = str(data / "weights")


def find(start: Path) -> Path:
    """Return the data folder for commands that run in ``start``.

    A folder of another user is not taken: it would be theirs to say which stores are used.
    """
    for folder in (start, *start.parents):
        data = folder / "data"
        if (data / _MARK).is_file() and data.stat().st_uid == os.geteuid():
            return data
    home = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not home.is_absolute():
        home = Path.home() / ".local" / "share"
    return home / "darkroom"


def is_clone(root: Path) -> bool:
    """Return whether Darkroom runs from a clone of its repository, not from a package."""
    return (root / "pyproject.toml").is_file()
