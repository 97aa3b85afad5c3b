"""What makes ``python -m service`` find Darkroom's modules in each folder, and no others.

Python puts the current folder first: there, a user's own folder ``models`` would be taken for ours.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder with models, service, workers and standalone: the clone, or ``site-packages``."""

OWN_MODULES = {
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
}
"""Environment variables for processes of ours."""
