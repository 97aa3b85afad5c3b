"""``python -m training PICTURES WEIGHTS.pb``: from a folder of pictures to a network file."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

from models.catalogue import BUNDLED
from training.export import write
from training.train import Recipe, train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("pictures", type=Path, help="folder of training pictures, read recursively")
    parser.add_argument("output", type=Path, help="the .pb to write")
    parser.add_argument("--run", type=Path, default=Path("data/training"), help="checkpoints")
    for name in ("scale", "channels", "depth", "steps", "batch", "patch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Recipe, name))
    given = parser.parse_args()
    names = {field.name for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in vars(given).items() if name in names})
    write(train(recipe, given.pictures, given.run), given.output)
    known = BUNDLED / "catalogue.json"
    entries = json.loads(known.read_text())
    for entry in entries:
        if given.output.resolve() == BUNDLED / entry["file"]:
            # A file whose hash is not the catalogue's would not be loaded.
            entry["sha256"] = hashlib.sha256(given.output.read_bytes()).hexdigest()
            entry["radius"] = recipe.depth + 2
            known.write_text(json.dumps(entries, indent=1) + "\n")
    print(given.output)


if __name__ == "__main__":
    main()
