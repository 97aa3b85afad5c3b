"""SPAN: blocks of three convolutions whose output is weighted by its own sigmoid; all in RGB."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from training.onnx_file import layers

_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K, RGB from 0 to 1
_RANGE = 255.0
_LUMA = (0.299, 0.587, 0.114)  # of R, G, B, as in JPEG and cv2's YCrCb


class _Block(nn.Module):
    """Three 3x3 convolutions with SiLU between; the attention has no weights of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the block's output, and the first convolution's after its SiLU."""
        first = F.silu(self.layers[0](x))
        last = self.layers[2](F.silu(self.layers[1](first)))
        return (last + x) * (torch.sigmoid(last) - 0.5), first


class Span(nn.Module):
    """Wan et al., Swift parameter-free attention network (2024), with convolutions as deployed.

    Input (n, 3, h, w), output (n, 3, h*scale, w*scale), both RGB, float, in 0 to 1.
    """

    mean: torch.Tensor

    def __init__(self, scale: int, channels: int = 48, blocks: int = 6) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(channels) for _ in range(blocks))
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.join = nn.Conv2d(4 * channels, channels, 1)
        self.tail = nn.Conv2d(channels, 3 * scale * scale, 3, padding=1)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        head = self.head((low - self.mean) * _RANGE)
        x, _ = self.blocks[0](head)
        after_first = x
        inner = x
        for block in self.blocks[1:]:
            x, inner = block(x)
        x = self.join(torch.cat([head, self.last(x), after_first, inner], 1))
        return F.pixel_shuffle(self.tail(x), self.scale)

    def take(self, path: Path) -> None:
        """Load the weights of an ONNX file; its tail may be for a larger scale.

        The tail is then that of the file's output, shrunk by averages of its pixels.
        """
        convolutions = [each for each in self.modules() if isinstance(each, nn.Conv2d)]
        found = layers(path, "Conv")
        with torch.no_grad():
            found[-1] = [shrink_tail(values, self.scale) for values in found[-1]]
            for convolution, values in zip(convolutions, found, strict=True):
                for own, value in zip(convolution.parameters(), values, strict=True):
                    own.copy_(value)


def shrink_tail(values: torch.Tensor, scale: int) -> torch.Tensor:
    """Return kernel or bias (3 * t^2, ...) of a tail for scale t as (3 * scale^2, ...).

    A tail is linear, and each of its output pixels belongs to one input pixel; so the mean of the
    output over areas, t^2 pixels to scale^2, is a tail, too.
    """
    before = math.isqrt(values.shape[0] // 3)
    edges = torch.arange(before + 1) / before
    low = torch.arange(scale)[:, None] / scale
    share = (torch.minimum(edges[1:], low + 1 / scale) - torch.maximum(edges[:-1], low)) * scale
    share = share.clamp(min=0)
    grid = values.reshape(3, before, before, *values.shape[1:])
    return torch.einsum("ij,kl,cjl...->cik...", share, share, grid).reshape(-1, *values.shape[1:])


class OnLuma(nn.Module):
    """A network for RGB, on luma (n, 1, h, w) as a gray picture."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("luma", torch.tensor(_LUMA).view(1, 3, 1, 1), persistent=False)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.network(low.expand(-1, 3, -1, -1))
        return (made * self.luma).sum(1, keepdim=True)
