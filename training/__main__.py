"""``python -m training PICTURES``: train the bundled networks for luma on a folder of pictures.

``python -m training.photo`` trains darkroom-photo.

``python -m training PICTURES WEIGHTS.pb`` trains one network by the options and writes that file.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from models.networks.catalogue import BUNDLED_DIR
from training.bundle import bundle_run
from training.export import write
from training.recipes import QUALITIES, SCALES, bundled
from training.train import Recipe, StartingPoints, train


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("pictures", type=Path, help="folder of training pictures, read recursively")
    parser.add_argument("output", type=Path, nargs="?", help="the .pb to write; without it: all")
    parser.add_argument("--run", type=Path, default=Path("data/training"), help="checkpoints")
    parser.add_argument("--weights", type=Path, default=BUNDLED_DIR, help="folder for all networks")
    parser.add_argument("--qualities", nargs="+", choices=QUALITIES, default=QUALITIES)
    parser.add_argument("--scales", nargs="+", type=int, choices=SCALES, default=SCALES)
    parser.add_argument("--start", type=Path, help="a run or a .pb to start from")
    parser.add_argument("--teacher", type=Path, help="the run of a larger network to learn from")
    parser.add_argument("--minutes", type=float, default=math.inf, help="maximum training time")
    parser.add_argument("--residual", action="store_true", help="blocks of two layers")
    for name in ("scale", "channels", "depth", "steps", "batch", "patch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Recipe, name))
    given = parser.parse_args(arguments)
    if given.output is not None:
        names = {field.name for field in dataclasses.fields(Recipe)}
        recipe = Recipe(**{name: value for name, value in vars(given).items() if name in names})
        origins = StartingPoints(given.start, given.teacher)
        network = train(recipe, given.pictures, given.run, origins=origins, minutes=given.minutes)
        write(network, given.output)
        print(given.output)
        return
    # The best is trained first: the others learn from it.
    for quality in sorted(given.qualities, key=QUALITIES.index, reverse=True):
        for scale in sorted(given.scales):
            recipe, run = bundled(quality, scale), given.run / f"{quality}_x{scale}"
            start = None if scale == 2 else given.run / f"{quality}_x2"
            teacher = None if quality == "best" else given.run / f"best_x{scale}"
            train(recipe, given.pictures, run, origins=StartingPoints(start, teacher))
            print(*bundle_run(run, f"darkroom-{quality}", given.weights))


if __name__ == "__main__":
    main()
