"""The training loop: Muon on the body, Adam on the rest, averaged weights, checkpoints."""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from training.dataset import load, pair, read_luma, split
from training.export import read
from training.muon import StackedMuon
from training.network import Upscaler
from training.patches import Patches
from training.validation import VALIDATED, Validation

WARM_UP_SHARE = 0.02  # share of the run over which the learning rates rise
FLOOR = 0.005  # share of the rates at the end of the cosine
AVERAGE = 0.999  # of the exponential moving average that is validated and exported
TEACHER_SHARE = 0.5  # share of the loss that is the distance from the teacher's output


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, recorded beside it."""

    scale: int = 2
    channels: int = 16
    depth: int = 18
    residual: bool = False
    steps: int = 45_000
    batch: int = 8
    patch: int = 64
    compressed_share: float = 0.25
    muon: float = 0.008
    adam: float = 0.001
    seed: int = 1

    def network(self) -> Upscaler:
        return Upscaler(self.channels, self.depth, self.scale, self.residual)


@dataclass(frozen=True)
class StartingPoints:
    """The networks that a run starts from and learns from, besides the pictures.

    ``start``: a run or a ``.pb`` of a network of the same width and depth. ``teacher``: a run of a
    larger network for the same scale, whose outputs are learned besides the originals (Hinton et
    al., Distilling the knowledge in a neural network, 2015).
    """

    start: Path | None = None
    teacher: Path | None = None


def rate(share: float) -> float:
    """Return the part of the full learning rate when ``share`` (0 to 1) of a run is done.

    A linear warm-up, then a cosine.
    """
    if share < WARM_UP_SHARE:
        return share / WARM_UP_SHARE
    return FLOOR + (1 - FLOOR) * 0.5 * (
        1 + math.cos(math.pi * (share - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))
    )


def averaged(run: Path) -> Upscaler:
    """Return the averaged network of a run's checkpoint."""
    recipe = Recipe(**json.loads((run / "run.json").read_text())["recipe"])
    network = recipe.network()
    network.load_state_dict(_saved(run / "checkpoint.pt")["averaged"])
    return network


def _saved(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return found


@dataclass
class _State:
    """The contents of a checkpoint: training resumes exactly, except for the order of patches."""

    network: Upscaler
    averaged: Upscaler
    optimisers: list[torch.optim.Optimizer]
    step: int
    seconds: float
    curve: list[dict[str, float]]

    def save(self, path: Path) -> None:
        part = path.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimisers": [o.state_dict() for o in self.optimisers],
                "step": self.step,
                "seconds": self.seconds,
                "curve": self.curve,
            },
            part,
        )
        part.replace(path)

    def restore(self, path: Path) -> None:
        saved = _saved(path)
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.step, self.seconds, self.curve = saved["step"], saved["seconds"], saved["curve"]


def _initial_state(recipe: Recipe, device: str, start: Path | None) -> _State:
    network = recipe.network().to(device)
    if start is not None:
        network.take(read(start) if start.is_file() else averaged(start).state_dict())
    rest = [p for name, p in network.named_parameters() if name != "body"]
    optimisers: list[torch.optim.Optimizer] = [
        StackedMuon([network.body], lr=recipe.muon),
        torch.optim.Adam(rest, lr=recipe.adam, betas=(0.9, 0.99), foreach=True),
    ]
    return _State(network, copy.deepcopy(network), optimisers, 0, 0.0, [])


def train(
    recipe: Recipe,
    folder: Path,
    run: Path,
    every: int = 2000,
    origins: StartingPoints = StartingPoints(),
    minutes: float = math.inf,
) -> Upscaler:
    """Train by ``recipe`` on the pictures below ``folder``; resume where ``run`` has a checkpoint.

    ``minutes``: the maximum time; the learning rates follow steps or time, whichever is used up
    first, and the record has the steps that were made.
    Writes ``checkpoint.pt`` and ``run.json`` (recipe, versions, validation curve) into ``run`` and
    returns the averaged network.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    torch.backends.cudnn.benchmark = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training, held_out = split(folder)
    pairs = load(training, recipe.scale, np.random.default_rng(recipe.seed), recipe.patch)
    if not pairs or not held_out:
        raise ValueError(
            f"{folder} holds too few pictures with sides of at least {recipe.patch} pixels"
        )
    validation = Validation(
        [pair(read_luma(path), recipe.scale, VALIDATED) for path in held_out], recipe.scale
    )
    state = _initial_state(recipe, device, origins.start)
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
    patches = Patches(pairs, recipe.scale, device, recipe.seed + state.step)
    teacher = averaged(origins.teacher).to(device).eval() if origins.teacher else None
    began = time.monotonic() - state.seconds
    bar = tqdm(initial=state.step, total=recipe.steps)
    done = state.step / recipe.steps
    while done < 1:
        pair_ = patches.draw(recipe.batch, recipe.patch, recipe.compressed_share)
        _one_step(state, recipe, rate(done), *pair_, teacher)
        state.step += 1
        bar.update()
        state.seconds = time.monotonic() - began
        done = max(state.step / recipe.steps, state.seconds / 60 / minutes)
        if state.step % every == 0 or done >= 1:
            figures = {"step": state.step, "seconds": round(state.seconds, 1)}
            state.curve.append({**figures, **validation.figures(state.averaged)})
            tqdm.write(json.dumps(state.curve[-1]))
            made = replace(recipe, steps=state.step) if done >= 1 else recipe
            _record(run, made, state, device, len(training), origins)
            state.save(checkpoint)
    bar.close()
    return state.averaged


def _one_step(
    state: _State,
    recipe: Recipe,
    part: float,
    low: torch.Tensor,
    high: torch.Tensor,
    teacher: Upscaler | None,
) -> None:
    """Do one optimiser step with ``part`` (0 to 1) of the full learning rates."""
    for optimiser, full in zip(state.optimisers, (recipe.muon, recipe.adam), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = full * part
        optimiser.zero_grad(set_to_none=True)
    with torch.autocast(low.device.type, dtype=torch.bfloat16):
        out = state.network(low).float()
        loss = F.l1_loss(out, high)
        if teacher is not None:
            with torch.no_grad():
                answer = teacher(low).float()
            loss = torch.lerp(loss, F.l1_loss(out, answer), TEACHER_SHARE)
    loss.backward()
    for optimiser in state.optimisers:
        optimiser.step()
    # Early on the average must forget the random start faster than AVERAGE would.
    keep = min(AVERAGE, state.step / (state.step + 10))
    with torch.no_grad():
        for kept, new in zip(state.averaged.parameters(), state.network.parameters(), strict=True):
            kept.lerp_(new, 1 - keep)


def _record(
    run: Path, recipe: Recipe, state: _State, device: str, pictures: int, origins: StartingPoints
) -> None:
    facts = {
        "recipe": asdict(recipe),
        "pictures": pictures,
        **{name: path.name for name, path in vars(origins).items() if path is not None},
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
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
