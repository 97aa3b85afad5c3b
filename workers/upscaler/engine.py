"""The interface of an engine, which runs a network on an image or a tile of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from models.networks.catalogue import Weights
from workers.imaging.picture import Pixels
from workers.upscaler.colour import Chroma


class UnusableNetwork(Exception):
    """This engine cannot run the network; the text says why, to the user.

    ``detail`` is for the log: libraries name local files and lines of their sources.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class NonFiniteOutput(Exception):
    """The network returned NaN or infinity."""


class Engine(Protocol):
    """One way to run the networks of the catalogue.

    ``name``: its value of the setting UPSCALE_ENGINE. ``label``: with version and precision, for
    people. ``tile_side``: of its fastest tiles, see bench/README.md.
    """

    name: str
    label: str
    tile_side: int

    def enlarge(
        self, path: Path, weights: Weights, pixels: Pixels, chroma: Chroma = Chroma.BILINEAR
    ) -> Pixels:
        """Return ``pixels`` enlarged by the network ``weights``, whose file is ``path``.

        ``pixels``: uint8, gray (height, width) or BGR (height, width, 3); the result likewise,
        ``weights.scale`` times as high and wide. ``chroma`` is for networks that take luma only.
        ``cv2.getNumThreads()`` threads work.

        Raises:
            UnusableNetwork: the file is not a network, or not for this engine or such an image.
            NonFiniteOutput: it returned NaN or infinity. (OpenCV turns them into 0
            unnoticed.)
        """
        ...
