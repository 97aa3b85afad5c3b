"""The request that a worker sends to a child, as one line of JSON."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice
from models.operations.spec import EncodedQuality


@dataclass(frozen=True)
class Request:
    """One task: path of its image, operations, folder for its results.

    ``progressive``, ``max_bytes``: see ``Encoding``. ``is_intermediate``: a worker wrote
    ``source``, so the pixel limit of results applies, not that of uploads. ``notes``: from earlier
    steps.
    ``keep``: see ``workers.pipeline``. ``memory_bytes``: predicted need; None: no limit.
    ``threads``: for one operation. ``result_count``: number of results that the operations make.
    ``metadata``: what results keep of it. ``step_seconds``: see ``workers.pipeline``.
    ``frames``: of an animation that is kept; 1: a still picture.
    ``watermark``: path of the picture that an operation lays over it; "": none does.
    """

    source: str
    folder: str
    operations: Sequence[Mapping[str, Any]]
    format: OutputFormat
    quality: EncodedQuality = None
    progressive: bool = False
    max_bytes: int | None = None
    is_intermediate: bool = False
    notes: Sequence[str] = ()
    keep: Collection[int] = ()
    report: bool = False
    memory_bytes: int | None = None
    threads: int = 1
    result_count: int = 1
    metadata: MetadataChoice = "none"
    step_seconds: Sequence[float] = ()
    frames: int = 1
    watermark: str = ""

    def inside(self, folder: Path) -> Request:
        """Return it with its files in ``folder``, beside which a child reads none."""

        def bring_in(path: str, name: str) -> str:
            copy = folder / name
            try:
                os.link(path, copy)
            except OSError:  # another disk, or one without links
                shutil.copyfile(path, copy)
            return str(copy)

        return replace(
            self,
            source=bring_in(self.source, "original"),
            watermark=self.watermark and bring_in(self.watermark, "watermark"),
            folder=str(folder),
        )
