"""The training loop: Muon on the body, Adam on the rest, averaged weights, checkpoints."""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from training.degrade import Plane, bicubic, psnr
from training.export import read
from training.network import Upscaler
from training.patches import patches
from training.pictures import Pair, load, pair, read_luma, split

WARM_UP = 0.02  # share of the run over which the learning rates rise
FLOOR = 0.005  # what is left of them at the end of the cosine
VALIDATED = (85, 60)  # JPEG qualities of the compressed validation pictures
AVERAGE = 0.999  # of the exponential moving average that is validated and exported


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, recorded beside it."""

    scale: int = 2
    channels: int = 16
    depth: int = 18
    steps: int = 45_000
    batch: int = 8
    patch: int = 64
    compressed_share: float = 0.25
    muon: float = 0.008
    adam: float = 0.001
    seed: int = 1


def rate(step: int, steps: int) -> float:
    """Return the share of the full learning rate at ``step``: linear warm-up, then a cosine."""
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def upscale(network: Upscaler, low: Plane) -> Plane:
    """Return ``low`` through ``network``, rounded to 8 bits as the service does."""
    with torch.inference_mode():
        x = torch.from_numpy(low.astype(np.float32) / 255)[None, None]
        x = x.to(next(network.parameters()).device)
        y = network(x)[0, 0].float().cpu().numpy()
    return np.clip(np.rint(y * 255), 0, 255).astype(np.uint8)


def validate(network: Upscaler, pairs: list[Pair]) -> dict[str, float]:
    """Return mean PSNR in dB on Y over ``pairs``, for clean and for compressed input.

    Beside the network: Matlab's bicubic, the literature's baseline, and cv2's INTER_CUBIC.
    """

    def cubic(low: Plane) -> Plane:
        size = (low.shape[1] * network.scale, low.shape[0] * network.scale)
        return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    def matlab(low: Plane) -> Plane:
        return bicubic(low, low.shape[0] * network.scale, low.shape[1] * network.scale)

    def network_(low: Plane) -> Plane:
        return upscale(network, low)

    figures = {}
    for name, enlarge in (("network", network_), ("bicubic", matlab), ("cv2_cubic", cubic)):
        for kind, lows in (
            ("clean", [p.low for p in pairs]),
            *(
                (f"jpeg{quality}", [p.compressed[number] for p in pairs])
                for number, quality in enumerate(VALIDATED)
            ),
        ):
            values = [
                psnr(enlarge(low), p.high, network.scale)
                for low, p in zip(lows, pairs, strict=True)
            ]
            figures[f"{name}_{kind}"] = round(float(np.mean(values)), 3)
    return figures


@dataclass
class _State:
    """What a checkpoint holds: enough to go on as if never interrupted, but for the patch order."""

    network: Upscaler
    averaged: Upscaler
    optimisers: list[torch.optim.Optimizer]
    step: int
    curve: list[dict[str, float]]

    def save(self, path: Path) -> None:
        part = path.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimisers": [o.state_dict() for o in self.optimisers],
                "step": self.step,
                "curve": self.curve,
            },
            part,
        )
        part.replace(path)

    def restore(self, path: Path) -> None:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.step, self.curve = saved["step"], saved["curve"]


def _begin(recipe: Recipe, device: str, start: Path | None) -> _State:
    network = Upscaler(recipe.channels, recipe.depth, recipe.scale).to(device)
    if start is not None and start.is_file():
        network.take(read(start))
    elif start is not None:
        network.take(torch.load(start / "checkpoint.pt", weights_only=True)["averaged"])
    body = list(network.body)
    rest = [p for name, p in network.named_parameters() if not name.startswith("body.")]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(body, lr=recipe.muon, momentum=0.95, weight_decay=0.0, ns_steps=5),
        torch.optim.Adam(rest, lr=recipe.adam, betas=(0.9, 0.99)),
    ]
    return _State(network, copy.deepcopy(network), optimisers, 0, [])


def train(
    recipe: Recipe, folder: Path, run: Path, every: int = 2000, start: Path | None = None
) -> Upscaler:
    """Train by ``recipe`` on the pictures below ``folder``; resume where ``run`` has a checkpoint.

    ``start``: what to begin with, a run or a ``.pb`` of a network of the same width and depth.
    Writes ``checkpoint.pt`` and ``run.json`` (recipe, versions, validation curve) into ``run`` and
    returns the averaged network.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training, held_out = split(folder)
    pairs = load(training, recipe.scale, rng, recipe.patch)
    validation = [pair(read_luma(path), recipe.scale, VALIDATED) for path in held_out]
    if not pairs or not validation:
        raise ValueError(f"{folder} holds too few pictures with sides of {recipe.patch} and more")
    state = _begin(recipe, device, start)
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        earlier = json.loads((run / "run.json").read_text())
        now = {**asdict(recipe), "steps": earlier["recipe"]["steps"]}
        if now != earlier["recipe"] or earlier["pictures"] != len(training):
            raise ValueError(
                f"{run} holds a run of another recipe or other pictures; "
                "name another folder with --run"
            )
        state.restore(checkpoint)
    batches = patches(pairs, recipe.scale, recipe.patch, recipe.batch, recipe.compressed_share, rng)
    began = time.monotonic()
    for step in tqdm(range(state.step, recipe.steps), initial=state.step, total=recipe.steps):
        _one_step(state, recipe, step, *next(batches), device)
        state.step = step + 1
        if state.step % every == 0 or state.step == recipe.steps:
            state.averaged.eval()
            figures = {"step": state.step, "seconds": round(time.monotonic() - began, 1)}
            state.curve.append({**figures, **validate(state.averaged, validation)})
            tqdm.write(json.dumps(state.curve[-1]))
            _record(run, recipe, state, device, len(training))
            state.save(checkpoint)
    return state.averaged


def _one_step(
    state: _State, recipe: Recipe, step: int, low: torch.Tensor, high: torch.Tensor, device: str
) -> None:
    share = rate(step, recipe.steps)
    for optimiser, full in zip(state.optimisers, (recipe.muon, recipe.adam), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = full * share
        optimiser.zero_grad(set_to_none=True)
    low = low.to(device, memory_format=torch.channels_last)
    with torch.autocast(device, dtype=torch.bfloat16):
        out = state.network(low)
    F.l1_loss(out.float(), high.to(device)).backward()
    for optimiser in state.optimisers:
        optimiser.step()
    # Early on the average must forget the random start faster than AVERAGE would.
    keep = min(AVERAGE, (step + 1) / (step + 10))
    with torch.no_grad():
        for kept, new in zip(state.averaged.parameters(), state.network.parameters(), strict=True):
            kept.lerp_(new, 1 - keep)


def _record(run: Path, recipe: Recipe, state: _State, device: str, pictures: int) -> None:
    facts = {
        "recipe": asdict(recipe),
        "pictures": pictures,
        "device": device,
        "threads": torch.get_num_threads(),
        "machine": platform.processor() or platform.machine(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "cv2": cv2.__version__,
        },
        "curve": state.curve,
    }
    (run / "run.json").write_text(json.dumps(facts, indent=1) + "\n")
