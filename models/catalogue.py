"""The networks the upscaler knows: which there are, where their files lie, what is in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadParameter

BUNDLED = Path(__file__).resolve().parent.parent / "weights"
BUNDLED_MODEL = ("darkroom-fast", 2)


@dataclass(frozen=True)
class Weights:
    """One network for one scale.

    ``radius`` is how far, in input pixels, an output pixel's inputs may lie from its own place:
    half of the receptive field. Tiles overlap by it.
    """

    name: str
    algorithm: str
    scale: int
    file: str
    sha256: str
    radius: int
    source: str
    licence: str


class Catalogue:
    """The known networks and the files found for them."""

    def __init__(self, known: list[Weights], found: dict[tuple[str, int], Path]) -> None:
        self.known = known
        self._found = found

    @classmethod
    def read(cls, weights_dir: Path | None) -> Catalogue:
        """Read ``weights/catalogue.json`` and find each file whose hash is right.

        ``weights_dir`` is searched before the bundled folder.
        """
        entries = json.loads((BUNDLED / "catalogue.json").read_text())
        known = [Weights(**entry) for entry in entries]
        found: dict[tuple[str, int], Path] = {}
        for weights in known:
            for folder in filter(None, (weights_dir, BUNDLED)):
                path = folder / weights.file
                if path.is_file() and _sha256(path) == weights.sha256:
                    found[weights.name, weights.scale] = path.resolve()
                    break
        return cls(known, found)

    def available(self) -> Iterator[Weights]:
        """Yield the networks whose files are there and hash right."""
        return (w for w in self.known if (w.name, w.scale) in self._found)

    def path(self, weights: Weights) -> Path:
        return self._found[weights.name, weights.scale]

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
                f"model {model} is known, but its file is not here (see WEIGHTS_DIR); "
                f"at hand: {_listed(names)}",
                parameter="model",
                known=names,
            )
        raise BadParameter(
            f"there is no model of that name; at hand: {_listed(names)}",
            parameter="model",
            known=names,
        )


def _listed(values: list[str] | list[int]) -> str:
    return ", ".join(map(str, values)) or "none"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
