"""``python -m docs [PICTURE]``: write docs/operations/ and the pages of settings,
errors and licences.

PICTURE is any photograph that Pillow reads; each operation is done to it by the workers' own
pipeline. The texts do not depend on it: without one, only they are written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from docs.generate import errors, licences
from docs.generate.illustrations import draw, source
from docs.generate.operations import pages
from docs.generate.settings import settings_page
from models.operations import OPERATIONS

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "operations"
ERRORS = HERE / "errors.md"


def write(picture: Path | None, folder: Path) -> None:
    """Write every page and, of ``picture``, every illustration into ``folder``."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
    if picture is None:
        return
    before = source(picture)
    for op, spec in OPERATIONS.items():
        draw(spec, before, folder / f"{op}.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__)
    parser.add_argument("picture", type=Path, nargs="?", help="a photograph")
    write(parser.parse_args().picture, FOLDER)
    (HERE / "settings.md").write_text(settings_page())
    ERRORS.write_text(errors.page())
    (HERE / "licences.md").write_text(licences.page())


if __name__ == "__main__":
    main()
