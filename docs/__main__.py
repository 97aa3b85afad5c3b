"""``python -m docs PICTURE``: write docs/operations/ and docs/settings.md from the code.

PICTURE is any photograph that Pillow reads; each operation is done to it by the workers' own
pipeline. The texts do not depend on it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from docs.pages import pages
from docs.pictures import draw, source
from docs.settings import settings_page
from models.operations import OPERATIONS

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "operations"


def write(picture: Path, folder: Path) -> None:
    """Write every page and its picture into ``folder``."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
    before = source(picture)
    for op, spec in OPERATIONS.items():
        draw(spec, before, folder / f"{op}.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__)
    parser.add_argument("picture", type=Path, help="a photograph")
    write(parser.parse_args().picture, FOLDER)
    (HERE / "settings.md").write_text(settings_page())


if __name__ == "__main__":
    main()
