"""The networks the upscaler knows: which there are, where their files lie, what is in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadParameter, WeightsUnusable
from models.networks.manifest import BadManifest, read_manifest

BUNDLED = Path(__file__).resolve().parents[2] / "weights"
FETCHED = BUNDLED / "fetched"
"""Where ``make weights`` puts networks, and where they are looked for unless WEIGHTS_DIR is set."""
BUNDLED_MODEL = ("darkroom-fast", 2)


@dataclass(frozen=True)
class Weights:
    """One network for one scale.

    ``radius`` is how far, in input pixels, an output pixel's inputs may lie from its own place:
    half of the receptive field. Tiles overlap by it. ``url`` and ``bytes`` say where its file can
    be fetched and how long it is; empty and 0 where it is bundled or a user's own. ``megabytes``:
    memory that the network takes with a tile, where that is more than a child has to spare.
    """

    name: str
    algorithm: str
    scale: int
    file: str
    sha256: str
    radius: int
    source: str = ""
    licence: str = ""
    url: str = ""
    bytes: int = 0
    megabytes: int = 0


class Catalogue:
    """The known networks and the files found for them."""

    def __init__(
        self,
        known: list[Weights],
        found: dict[tuple[str, int], Path],
        problems: Sequence[str] = (),
    ) -> None:
        """``problems``: a sentence for each file that lies there and is not used."""
        self.known = known
        self.problems = problems
        self._found = found
        self._states = {path: _state(path) for path in found.values()}

    @classmethod
    def read(cls, weights_dir: Path | None, onnx: bool = True) -> Catalogue:
        """Read ``weights/catalogue.json`` and find each file whose hash is right.

        ``weights_dir`` is searched before the bundled folder; manifests there (``*.json``) add
        networks of the user's own. What is wrong there is a problem of that network alone.
        ``onnx``: whether networks in that format can be run; OpenCV alone cannot.
        """
        known = published()
        found: dict[tuple[str, int], Path] = {}
        problems: list[str] = []
        for weights in known:
            for folder in filter(None, (weights_dir, BUNDLED)):
                if _usable(folder / weights.file, weights.sha256, problems):
                    found[weights.name, weights.scale] = (folder / weights.file).resolve()
                    break
        taken = {weights.name for weights in known}
        for path in sorted(weights_dir.glob("*.json")) if weights_dir else ():
            try:
                own = read_manifest(path)
            except BadManifest as error:
                problems.append(f"{path}: {error}")
                continue
            key = (own.name, own.scale)
            if own.name in taken or key in found:
                problems.append(f"{path}: there is a network {own.name} for x{own.scale} already")
            elif own.file.endswith(".onnx") and not onnx:
                problems.append(f"{path}: ONNX takes OpenVINO, and UPSCALE_ENGINE is opencv")
            elif not (path.parent / own.file).is_file():
                problems.append(f"{path}: there is no {own.file} beside it")
            elif _usable(path.parent / own.file, own.sha256, problems):
                known.append(Weights(**own.model_dump()))
                found[key] = (path.parent / own.file).resolve()
        return cls(known, found, problems)

    def available(self) -> Iterator[Weights]:
        """Yield the networks whose files are there and hash right."""
        return (w for w in self.known if (w.name, w.scale) in self._found)

    def path(self, weights: Weights) -> Path:
        return self._found[weights.name, weights.scale]

    def check(self, weights: Weights) -> None:
        """Make sure that the file is still the one that was found.

        Raises:
            WeightsUnusable: another one was put in its place.
        """
        path = self.path(weights)
        if (now := _state(path)) == self._states[path]:
            return
        if _usable(path, weights.sha256, []):
            self._states[path] = now
            return
        raise WeightsUnusable(
            f"the file of network {weights.name} for x{weights.scale} was changed since it was read"
        )

    def find(self, model: str, scale: int) -> Weights:
        """Return the available network ``model`` for ``scale``.

        Raises:
            BadParameter: unknown or not at hand; lists what is.
        """
        at_hand = list(self.available())
        names = list(dict.fromkeys(w.name for w in at_hand))
        scales = [w.scale for w in at_hand if w.name == model]
        if scale in scales:
            return next(w for w in at_hand if w.name == model and w.scale == scale)
        if scales:
            raise BadParameter(
                f"scale {scale} is not at hand for model {model}; it has {_listed(scales)}",
                parameter="scale",
                known=scales,
            )
        if any(w.name == model for w in self.known):
            raise BadParameter(
                f"model {model} is known, but its file is not here (make weights fetches "
                f"the published ones); "
                f"at hand: {_listed(names)}",
                parameter="model",
                known=names,
            )
        raise BadParameter(
            f"there is no model of that name; at hand: {_listed(names)}",
            parameter="model",
            known=names,
        )


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when the file at ``path`` does; None if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _listed(values: list[str] | list[int]) -> str:
    return ", ".join(map(str, values)) or "none"


def published() -> list[Weights]:
    """Return the networks that ``weights/catalogue.json`` lists."""
    return [Weights(**entry) for entry in json.loads((BUNDLED / "catalogue.json").read_text())]


def _usable(path: Path, sha256: str, problems: list[str]) -> bool:
    """Tell whether the file is there and is the one meant; add a sentence if it is another."""
    try:
        if not path.is_file():
            return False
        found = hash_file(path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return False
    if found != sha256:
        problems.append(f"{path}: its SHA-256 is {found}, not {sha256}: it is not used")
    return found == sha256


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
