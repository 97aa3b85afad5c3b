"""``python -m training.bundle RUN NAME``: make a finished run one of the bundled networks."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.networks.catalogue import BUNDLED_DIR
from training import onnx_file
from training.export import write
from training.train import averaged


@dataclass(frozen=True)
class Kind:
    """What the networks of one name have in common, for the catalogue.

    ``megabytes``: what OpenVINO needs for tiles of 512 beyond a child's spare memory, by scale; see
    bench.memory. ``radius``: None where the run's recipe tells it. ``suffix``: .onnx has weights of
    16 bits, which is half of the bytes, .pb is read by ``dnn_superres``.
    """

    megabytes: Mapping[int, int]
    suffix: str = ".pb"
    algorithm: str = "espcn"
    radius: int | None = None
    source: str = "trained by this project, see weights/README.md"
    licence: str = "MIT"


KINDS = {
    "darkroom-fast": Kind({2: 85, 3: 85, 4: 85}),
    "darkroom-balanced": Kind({2: 120, 3: 120, 4: 120}),
    "darkroom-best": Kind({2: 290, 3: 290, 4: 290}, ".onnx"),
    "darkroom-photo": Kind(
        {1: 240, 2: 240, 3: 290, 4: 400},
        ".onnx",
        "rgb",
        18,
        "cut from realesr-general-x4v3 and trained further by this project, see weights/README.md",
        "BSD-3-Clause",
    ),
}


def bundle(name: str, scale: int, file: Path, run: Path, folder: Path) -> Path:
    """Copy ``file`` and the record of its run, and write its entry in the catalogue.

    Returns the network's path in ``folder``. The catalogue's hash must match the file, or it is
    not loaded.
    """
    kind = KINDS[name]
    path = folder / f"{name}_x{scale}{file.suffix}"
    shutil.copyfile(file, path)
    shutil.copyfile(run / "run.json", path.with_suffix(".json"))
    radius = kind.radius
    if radius is None:
        radius = json.loads((run / "run.json").read_text())["recipe"]["depth"] + 2
    entry = {
        "name": name,
        "algorithm": kind.algorithm,
        "scale": scale,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "radius": radius,
        "source": kind.source,
        "licence": kind.licence,
        "megabytes": kind.megabytes[scale],
    }
    known = folder / "catalogue.json"
    entries = json.loads(known.read_text()) if known.exists() else []
    others = [e for e in entries if (e["name"], e.get("scale")) != (name, scale)]
    ours = [entry, *(e for e in others if e["name"] in KINDS)]
    ours.sort(key=lambda e: (list(KINDS).index(e["name"]), e["scale"]))
    others = [e for e in others if e["name"] not in KINDS]
    known.write_text(json.dumps([*ours, *others], indent=1) + "\n")
    return path


def bundle_run(run: Path, name: str, folder: Path = BUNDLED_DIR) -> list[Path]:
    """Bundle what ``training.train``, ``training.finetune`` or ``training.photo`` left in ``run``.

    Raises:
        FileNotFoundError: there is no finished run.
    """
    if (run / "checkpoint.pt").exists():
        network = averaged(run)
        file = run / f"network{KINDS[name].suffix}"
        (write if file.suffix == ".pb" else onnx_file.write)(network, file)
        return [bundle(name, network.scale, file, run, folder)]
    record = json.loads((run / "run.json").read_text())
    return [
        bundle(name, scale, run / f"network_x{scale}.onnx", run, folder)
        for scale in record["scales"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.bundle", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name", choices=KINDS)
    parser.add_argument("--weights", type=Path, default=BUNDLED_DIR)
    given = parser.parse_args()
    for path in bundle_run(given.run, given.name, given.weights):
        print(path)


if __name__ == "__main__":
    main()
