"""A user's own network: what the few lines of JSON beside its file say."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MAX_BYTES = 4096
"""Longest manifest: five lines are 200 bytes, and whatever else ends in .json is not read whole."""


class BadManifest(Exception):
    """The file is no manifest; the text says why."""


class Manifest(BaseModel):
    """One network for one scale; its file lies beside the manifest.

    ``algorithm``: how it takes a picture: luma (espcn, fsrcnn, lapsrn), BGR less the mean of DIV2K
    (edsr), or RGB in 0 to 1 (rgb, ONNX only: dnn_superres knows no such network).
    ``radius``: half of the network's receptive field in input pixels, by which tiles overlap; too
    large costs time, too small shows seams. ``megabytes``: memory it takes, if above 500.
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
    def _runs_somewhere(self) -> Self:
        if self.algorithm == "rgb" and not self.file.endswith(".onnx"):
            raise ValueError("rgb is for .onnx files; a .pb takes luma, or BGR as edsr does")
        return self


def read_manifest(path: Path) -> Manifest:
    """Return the manifest at ``path``.

    Raises:
        BadManifest: it is none.
    """
    if not path.is_file():  # a pipe would be waited for, for ever
        raise BadManifest("it is no file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadManifest(error.strerror or str(error)) from None
    if len(data) > MAX_BYTES:
        raise BadManifest(f"longer than the {MAX_BYTES} bytes of a manifest")
    try:
        return Manifest.model_validate_json(data.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadManifest(f"no manifest of a network: {where}: {first['msg']}") from None
