"""Settings: networks and the engine that runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from models.networks.catalogue import FETCHED_DIR
from models.settings.group import Group


class NetworkSettings(Group):
    """Networks and the engine that runs them."""

    weights_dir: Path | None = Field(
        None,
        description="Folder with further networks (.pb) and manifests of your own, searched "
        "before the bundled ones; empty: weights/fetched, where make weights puts them.",
    )
    upscale_engine: Literal["auto", "opencv", "openvino"] = Field(
        "auto",
        description="Engine that runs the networks; auto: OpenVINO if it passes its check at "
        "start, else OpenCV, the reference.",
    )
    upscale_precision: Literal["auto", "f32", "bf16"] = Field(
        "auto",
        description="Arithmetic of OpenVINO. bf16: up to twice as fast on processors that have it, "
        "0.00 to 0.04 dB and a few levels off the reference; auto: bf16 where the processor has it "
        "and its check at start passes, else f32.",
    )
    tile_pixels: int = Field(
        0,
        ge=0,
        le=4096,
        description="Side of an upscaler's tile, 32 or more; limits memory. 0: the fastest for "
        "the engine.",
    )

    @field_validator("tile_pixels")
    @classmethod
    def _check_tile(cls, value: int) -> int:
        if 0 < value < 32:
            raise ValueError("0, or 32 and more: smaller tiles are mostly overlap")
        return value

    @property
    def networks_dir(self) -> Path:
        """Folder of networks beside the bundled ones: WEIGHTS_DIR, or FETCHED_DIR."""
        return self.weights_dir or FETCHED_DIR
