"""What an engine is: it runs a network over a picture, whole or a tile of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from models.networks.catalogue import Weights
from workers.imaging.picture import Pixels


class Unreadable(Exception):
    """This engine cannot run the network; the text says why, to whoever asked for the picture.

    ``detail`` is for the log: libraries name files of this machine and lines of their sources.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class NotFinite(Exception):
    """The network gave values that are no numbers."""


class Engine(Protocol):
    """One way to run the networks of the catalogue.

    ``name`` is that of the setting UPSCALE_ENGINE; ``said`` adds version and precision, for people.
    ``tile`` is the side of the tiles it is fastest with, see bench/README.md.
    """

    name: str
    said: str
    tile: int

    def enlarge(self, path: Path, weights: Weights, pixels: Pixels) -> Pixels:
        """Return ``pixels`` through the network ``weights``, whose file is ``path``.

        ``pixels`` are uint8, gray (height, width) or BGR (height, width, 3); the result is of the
        same kind, ``weights.scale`` times as high and wide. As many threads work as
        ``cv2.getNumThreads()`` says.

        Raises:
            Unreadable: the file is no network, or none for this engine, or for such a picture.
            NotFinite: what it gave are no numbers. (OpenCV turns them into 0 and cannot tell.)
        """
        ...
