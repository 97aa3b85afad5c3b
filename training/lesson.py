"""A short training of a network that knows something already: so many minutes, not resumed."""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import nn

from training.train import AVERAGE, FLOOR

_WARM_UP_STEPS = 50


class Lesson:
    """A network in training, its moving average, and the part of its time that is used up."""

    def __init__(self, network: nn.Module, minutes: float, average: float = AVERAGE) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = network.train().to(self.device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(network).eval()
        self._minutes, self._average, self._began = minutes, average, time.monotonic()
        self.steps = 0

    def seconds(self) -> float:
        return round(time.monotonic() - self._began, 1)

    def unfinished(self) -> bool:
        return not self.steps or self.seconds() < self._minutes * 60

    def part(self) -> float:
        """Return the part of the learning rates that is due: a warm-up, then a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.seconds() / 60 / self._minutes)))
        return min(1.0, self.steps / _WARM_UP_STEPS) * (FLOOR + (1 - FLOOR) * cosine)

    def answer(self, low: torch.Tensor) -> torch.Tensor:
        """Return the network's output for (n, 3, h, w) in float32."""
        with torch.autocast(self.device, torch.bfloat16):
            return self.network(low).float()

    def step(self, loss: torch.Tensor, optimisers: list[torch.optim.Optimizer]) -> None:
        """Do one step, and let the average follow."""
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        # Early on the average must forget the start faster than it would.
        keep = min(self._average, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
            for kept, new in pairs:
                kept.lerp_(new, 1 - keep)
        self.steps += 1
