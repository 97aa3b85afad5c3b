"""The network: 3x3 convolutions on luma that correct a nearest-neighbour upscaling."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F


class Upscaler(nn.Module):
    """3x3 1->C, ``depth`` times 3x3 C->C with ReLU between, 3x3 C->scale^2, depth-to-space.

    Input (n, 1, h, w), output (n, 1, h*scale, w*scale), both float in 0 to 1. The input is added to
    each of the scale^2 channels before depth-to-space, so the network learns a correction only.

    ``residual``: each two layers of the body are a block whose output is added to its input,
    without a ReLU behind it (Lim et al., Enhanced deep residual networks for single image
    super-resolution, 2017); ``depth`` is even then.
    """

    def __init__(self, channels: int, depth: int, scale: int, residual: bool = False) -> None:
        super().__init__()
        if residual and depth % 2:
            raise ValueError(f"blocks have two layers each, and depth is {depth}")
        self.channels, self.depth, self.scale, self.residual = channels, depth, scale, residual
        self.head = nn.Conv2d(1, channels, 3, padding=1)
        # All layers in one parameter, matrices of C x 9C: Muon updates them together.
        self.body = nn.Parameter(torch.empty(depth, channels, channels * 9))
        self.biases = nn.Parameter(torch.zeros(depth, channels))
        self.tail = nn.Conv2d(channels, scale * scale, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        """Initialise near the identity, so that a deep stack trains from the first step."""
        he = (2 / (9 * self.channels)) ** 0.5
        identity = torch.zeros(self.channels, self.channels, 3, 3)
        if not self.residual:
            identity[range(self.channels), range(self.channels), 1, 1] = 1
        with torch.no_grad():
            self.body.copy_(identity.flatten(1) + 0.3 * he * torch.randn_like(self.body))
            self.tail.weight.copy_(0.1 * he * torch.randn_like(self.tail.weight))
            self.tail.bias.zero_()

    def take(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load a trained network, except its tail if that is for another scale.

        Raises:
            ValueError: the network has another width or depth.
        """
        own = self.state_dict()
        given = {
            name: value
            for name, value in state.items()
            if not name.startswith("tail.") or value.shape == own[name].shape
        }
        trunk = [name for name in own if not name.startswith("tail.")]
        if len(state) != len(own) or any(
            name not in given or given[name].shape != own[name].shape for name in trunk
        ):
            raise ValueError("the network to start from is of another width or depth")
        self.load_state_dict({**own, **given})

    def kernels(self) -> list[torch.Tensor]:
        """Return the body's layers as convolution kernels (C, C, 3, 3)."""
        side = self.channels
        return [layer.view(side, side, 3, 3) for layer in self.body.unbind()]

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        # A single input channel does not determine the memory format of the others.
        x = self.head(low).contiguous(memory_format=torch.channels_last)
        layers = list(zip(self.kernels(), self.biases.unbind(), strict=True))
        if self.residual:
            for first, second in zip(layers[::2], layers[1::2], strict=True):
                inner = F.relu(F.conv2d(x, *first, padding=1))
                x = x + F.conv2d(inner, *second, padding=1)
        else:
            x = F.relu(x)
            for kernel, bias in layers:
                x = F.relu(F.conv2d(x, kernel, bias, padding=1))
        return F.pixel_shuffle(self.tail(x) + low, self.scale)
