"""Manifest of a user's own network: a small JSON file beside the network's file."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MAX_MANIFEST_BYTES = 4096
"""Maximum size: a manifest has about 200 bytes, and other .json files should not be read whole."""


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
