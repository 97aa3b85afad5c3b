"""The network: plain 3x3 convolutions on luma that correct a nearest-neighbour upscaling."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F


class Upscaler(nn.Module):
    """3x3 1->C, ``depth`` times 3x3 C->C with ReLU between, 3x3 C->scale^2, depth-to-space.

    Input (n, 1, h, w), output (n, 1, h*scale, w*scale), both float in 0 to 1. The input is added to
    each of the scale^2 channels before depth-to-space, so the network learns a correction only.
    """

    def __init__(self, channels: int, depth: int, scale: int) -> None:
        super().__init__()
        self.channels, self.depth, self.scale = channels, depth, scale
        self.head = nn.Conv2d(1, channels, 3, padding=1)
        # Kept as C x 9C matrices: torch's Muon takes matrices only.
        self.body = nn.ParameterList(
            nn.Parameter(torch.empty(channels, channels * 9)) for _ in range(depth)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(channels)) for _ in range(depth))
        self.tail = nn.Conv2d(channels, scale * scale, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        """Identity plus a little He noise in the body: a deep plain stack that trains at once."""
        he = (2 / (9 * self.channels)) ** 0.5
        identity = torch.zeros(self.channels, self.channels, 3, 3)
        identity[range(self.channels), range(self.channels), 1, 1] = 1
        with torch.no_grad():
            for weight in self.body:
                weight.copy_(identity.flatten(1) + 0.3 * he * torch.randn_like(weight))
            self.tail.weight.copy_(0.1 * he * torch.randn_like(self.tail.weight))
            self.tail.bias.zero_()

    def take(self, state: Mapping[str, torch.Tensor]) -> None:
        """Begin with a trained network, but for its tail if that is for another scale.

        Raises:
            ValueError: it is of another width or depth.
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

    def kernel(self, layer: int) -> torch.Tensor:
        """Return body layer ``layer`` as a convolution kernel (C, C, 3, 3)."""
        return self.body[layer].view(self.channels, self.channels, 3, 3)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.head(low))
        for layer in range(self.depth):
            x = F.relu(F.conv2d(x, self.kernel(layer), self.biases[layer], padding=1))
        return F.pixel_shuffle(self.tail(x) + low, self.scale)
