"""``python -m docs``: write docs/operations/, the pages of settings, errors and licences, the
client's operations, and the settings in the schema of the chart's values.

The workers' own pipeline draws the illustrations from a photograph that the repository ships.
Illustrations that are there stay as they are; ``--redraw`` draws all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from docs.generate import chart, client_operations, errors, licences
from docs.generate.illustrations import draw, source
from docs.generate.operations import pages
from docs.generate.settings import settings_page
from models.operations import OPERATIONS

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "operations"
CLIENT_OPERATIONS = HERE.parent / "client" / "darkroom" / "client" / "operations.py"
VALUES_SCHEMA = HERE.parent / "deploy" / "chart" / "values.schema.json"
PHOTOGRAPH = HERE.parent / "tests" / "photographs" / "chelsea.png"


def write(folder: Path, redraw: bool = False) -> None:
    """Write every operation's page into ``folder``, and the illustrations that are missing."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
    before = source(PHOTOGRAPH)
    for op, spec in OPERATIONS.items():
        illustration = folder / f"{op}.jpg"
        if redraw or not illustration.exists():
            draw(spec, before, illustration)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__)
    parser.add_argument("--redraw", action="store_true", help="draw all illustrations again")
    write(FOLDER, parser.parse_args().redraw)
    (HERE / "settings.md").write_text(settings_page())
    (HERE / "errors.md").write_text(errors.page())
    CLIENT_OPERATIONS.write_text(client_operations.module())
    VALUES_SCHEMA.write_text(chart.values_schema(VALUES_SCHEMA.read_text()))
    (HERE / "licences.md").write_text(licences.page())


if __name__ == "__main__":
    main()
