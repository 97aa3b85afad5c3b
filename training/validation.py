"""Measure the PSNR of a network on held-out pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch

from training.dataset import Pair
from training.degrade import Plane, bicubic, psnr
from training.network import Upscaler

VALIDATED = (85, 60)  # JPEG qualities of the compressed validation pictures


def upscale(network: Upscaler, low: Plane) -> Plane:
    """Return ``low`` through ``network``, rounded to 8 bits as the service does."""
    with torch.inference_mode():
        x = torch.from_numpy(low.astype(np.float32) / 255)[None, None]
        x = x.to(next(network.parameters()).device)
        y = network(x)[0, 0].float().cpu().numpy()
    return np.clip(np.rint(y * 255), 0, 255).astype(np.uint8)


class Validation:
    """Held-out pictures, clean and compressed at each of VALIDATED; figures of interpolations."""

    def __init__(self, pairs: Sequence[Pair], scale: int) -> None:
        self._pairs, self._scale = pairs, scale
        self._known = {
            **self._means("bicubic", self._matlab),
            **self._means("cv2_cubic", self._cubic),
        }

    def figures(self, network: Upscaler) -> dict[str, float]:
        """Return mean PSNR in dB on Y, clean and compressed: of the network, and without one.

        Beside it: Matlab's bicubic, the literature's baseline, and cv2's INTER_CUBIC.
        """
        return {**self._means("network", lambda low: upscale(network, low)), **self._known}

    def _means(self, name: str, enlarge: Callable[[Plane], Plane]) -> dict[str, float]:
        kinds = {"clean": [each.low for each in self._pairs]}
        for number, quality in enumerate(VALIDATED):
            kinds[f"jpeg{quality}"] = [each.compressed[number] for each in self._pairs]
        highs = [each.high for each in self._pairs]
        return {
            f"{name}_{kind}": round(
                float(
                    np.mean(
                        [
                            psnr(enlarge(low), high, self._scale)
                            for low, high in zip(lows, highs, strict=True)
                        ]
                    )
                ),
                3,
            )
            for kind, lows in kinds.items()
        }

    def _cubic(self, low: Plane) -> Plane:
        size = (low.shape[1] * self._scale, low.shape[0] * self._scale)
        return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    def _matlab(self, low: Plane) -> Plane:
        return bicubic(low, low.shape[0] * self._scale, low.shape[1] * self._scale)
