"""``python -m training.bundle RUN QUALITY``: make a finished run one of the bundled networks."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

from models.networks.catalogue import BUNDLED_DIR
from models.operations.upscale import FaithfulQuality
from training.export import write
from training.network import Upscaler
from training.recipes import QUALITIES
from training.train import averaged

MEGABYTES: dict[FaithfulQuality, int] = {"fast": 25, "balanced": 60, "best": 260}
"""What OpenVINO needs for tiles of 512 beyond a child's spare memory; see bench.memory."""


def bundle_network(network: Upscaler, quality: FaithfulQuality, run: Path, folder: Path) -> Path:
    """Write network, record of its run and entry in the catalogue; return the network's path.

    The catalogue's hash must match the file, or it is not loaded.
    """
    name = f"darkroom-{quality}"
    path = folder / f"{name}_x{network.scale}.pb"
    write(network, path)
    shutil.copyfile(run / "run.json", path.with_suffix(".json"))
    known = folder / "catalogue.json"
    entries = json.loads(known.read_text()) if known.exists() else []
    entry = {
        "name": name,
        "algorithm": "espcn",
        "scale": network.scale,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "radius": network.depth + 2,
        "source": "trained by this project, see weights/README.md",
        "licence": "MIT",
        "megabytes": MEGABYTES[quality],
    }
    others = [e for e in entries if e["file"] != path.name]
    trained = {f"darkroom-{each}" for each in QUALITIES}
    ours = [e for e in others if e["name"] in trained]
    ours = sorted(
        [*ours, entry],
        key=lambda e: (QUALITIES.index(e["name"].removeprefix("darkroom-")), e["scale"]),
    )
    others = [e for e in others if e["name"] not in trained]
    known.write_text(json.dumps([*ours, *others], indent=1) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.bundle", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("quality", choices=QUALITIES)
    parser.add_argument("--weights", type=Path, default=BUNDLED_DIR)
    given = parser.parse_args()
    print(bundle_network(averaged(given.run), given.quality, given.run, given.weights))


if __name__ == "__main__":
    main()
