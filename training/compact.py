"""SRVGGNetCompact, the network of realesr-general-x4v3, and shorter ones cut from it; in RGB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from training.onnx_file import layers


class _Rectify(torch.autograd.Function):
    """PReLU without a gradient for its slopes, which takes a seventh of a training step."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, slopes)
        return F.prelu(x, slopes)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, slopes = ctx.saved_tensors
        return torch.where(x > 0, gradients[0], gradients[0] * slopes.view(1, -1, 1, 1)), None


class Compact(nn.Module):
    """3x3 3->C, ``depth`` times 3x3 C->C, 3x3 C->3 scale^2, PReLU between; corrects the nearest.

    Input (n, 3, h, w), output (n, 3, h*scale, w*scale), both RGB, float, in 0 to 1. The slopes of
    the PReLUs are those of the start and are not trained.
    """

    def __init__(self, scale: int, channels: int = 64, depth: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth))
        self.tail = nn.Conv2d(channels, 3 * scale * scale, 3, padding=1)
        self.rectifiers = nn.ModuleList(nn.PReLU(channels, 0.1) for _ in range(depth + 1))
        self.rectifiers.requires_grad_(False)
        self.nearest = nn.Conv2d(3, 3 * scale * scale, 1, bias=False).requires_grad_(False)
        ones = torch.eye(3).repeat_interleave(scale * scale, 0)
        self.nearest.weight.copy_(ones[:, :, None, None])

    def features(self, low: torch.Tensor) -> torch.Tensor:
        """Return what the tail sees, (n, channels, h, w)."""
        x = low
        for layer, rectifier in zip((self.head, *self.body), self.rectifiers, strict=True):
            x = layer(x)
            slopes = rectifier.weight.to(x.dtype)
            x = _Rectify.apply(x, slopes) if self.training else F.prelu(x, slopes)
        return x

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        out = self.tail(self.features(low)) + self.nearest(low)
        return F.pixel_shuffle(out, self.scale) if self.scale > 1 else out

    def take(self, path: Path, kept: Sequence[int]) -> None:
        """Load head, tail and the layers ``kept`` of the body of a deeper network's ONNX file."""
        found = layers(path, "Conv", "PRelu")
        # The skip's convolution of the files that this project writes has no bias.
        convolutions = [each for each in found if len(each) == 2]
        slopes = [each[0].flatten() for each in found if len(each) == 1 and each[0].ndim == 3]
        numbers = [0, *(1 + layer for layer in kept)]
        with torch.no_grad():
            for own, (weight, bias) in zip(
                (self.head, *self.body, self.tail),
                [*(convolutions[number] for number in numbers), convolutions[-1]],
                strict=True,
            ):
                for mine, value in zip(own.parameters(), (weight, bias), strict=True):
                    mine.copy_(value)
            for rectifier, number in zip(self.rectifiers, numbers, strict=True):
                rectifier.weight.copy_(slopes[number])
