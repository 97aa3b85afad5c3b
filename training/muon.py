"""Muon for a stack of matrices of one shape: all are orthogonalised together."""

from __future__ import annotations

from collections.abc import Iterable

import torch

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""The quintic of Newton-Schulz whose slope at zero is steepest (Keller Jordan, Muon, 2024)."""
_ITERATIONS = 5
_MIN_NORM = 1e-7  # divisor for a gradient of zeros


def orthogonalised(stack: torch.Tensor) -> torch.Tensor:
    """Return (n, rows, columns) with the singular values of each matrix brought near one.

    Needs rows <= columns. Computed and returned in bfloat16, as in ``torch.optim``.
    """
    x = stack.bfloat16()
    x = x / x.flatten(1).norm(dim=1).clamp(min=_MIN_NORM)[:, None, None]
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x


class StackedMuon(torch.optim.Optimizer):
    """``torch.optim.Muon`` without weight decay, for parameters of shape (n, rows, columns)
    and for kernels (rows, channels, height, width).

    torch's own takes one matrix per parameter and some thirty kernels for each: on a GPU a deep
    network of small layers then spends more time in its optimiser than in its convolutions.
    """

    def __init__(self, params: Iterable[torch.Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for stack in group["params"]:
                past = self.state[stack].setdefault("past", torch.zeros_like(stack))
                past.lerp_(stack.grad, 1 - group["momentum"])
                ahead = stack.grad.lerp(past, group["momentum"])  # Nesterov
                matrices = ahead if ahead.ndim == 3 else ahead.flatten(1)[None]
                change = orthogonalised(matrices).view_as(stack).to(stack.dtype)
                stack.add_(change, alpha=-group["lr"])
