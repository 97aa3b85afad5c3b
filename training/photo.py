"""``python -m training.photo PICTURES TEACHER.onnx RUN``: networks for damaged photographs.

The learner is a shorter copy of the teacher, realesr-general-x4v3: half of its layers. It learns
the teacher's answers to damaged patches (``training.damage``), at first by their distance, at last
also by a critic that tells its answers from the teacher's (Goodfellow et al., Generative
adversarial nets, 2014). The tails for x1 to x3 are fitted by least squares to the shrunken answers.
Writes ``network_x1.onnx`` to ``network_x4.onnx`` and ``run.json`` into RUN.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from training.answers import SCALE, Answers, asking, tensor
from training.compact import Compact
from training.dataset import split
from training.lesson import Lesson
from training.muon import StackedMuon
from training.onnx_file import write
from training.train import AVERAGE

KEPT = (0, 5, 16, 17, 18, 19, 20, *range(23, 32))
"""The teacher's layers that the learner starts with: removing others, one after the other, the one
whose loss changed the answers least, led to these (32 to 16)."""
SCALES = (1, 2, 3, SCALE)
_GRADIENT_SHARE, _FOURIER_SHARE = 0.5, 0.02
_CRITIC_RATE, _CRITIC_ALONE_STEPS = 1e-4, 100
_FINE_RATE, _FINE_AVERAGE = 1e-4, 0.995
_MIN_NORM = 1e-12
_FITTED = 80  # patches from which the tails of the smaller scales are fitted
_RIDGE = 1e-4  # of the mean square of a feature


def _slopes(planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return planes[..., 1:, :] - planes[..., :-1, :], planes[..., 1:] - planes[..., :-1]


def distance(out: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference of values, and half of that of their slopes."""
    apart = F.l1_loss(out, answer)
    for one, other in zip(_slopes(out), _slopes(answer), strict=True):
        apart = apart + _GRADIENT_SHARE * F.l1_loss(one, other)
    return apart


class Critic(nn.Module):
    """Tells the teacher's answers from the learner's by patches of some twenty pixels.

    It shrinks by means: strides in its convolutions would draw their grid into the answers.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        shapes = [(3, width), (width, 2 * width), (2 * width, 2 * width), (2 * width, 4 * width)]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(*shape, 3, padding=1)) for shape in shapes
        )
        self.last = spectral_norm(nn.Conv2d(4 * width, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            for number, layer in enumerate(self.layers):
                x = F.leaky_relu(layer(x), 0.2)
                x = x if number % 2 else F.avg_pool2d(x, 2)
            return self.last(x).float()


def _draw(lesson: Lesson, answers: Answers, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the teacher's answers to some patches, and the learner's."""
    low, high = answers.draw(batch)
    return high.to(lesson.device), lesson.answer(low.to(lesson.device))


def follow(lesson: Lesson, answers: Answers, muon: float, adam: float, batch: int) -> None:
    """Learn the teacher's answers by their distance."""
    rest = [p for name, p in lesson.network.named_parameters() if not _in_body(name)]
    body = [layer.weight for layer in lesson.network.body]
    optimisers: list[torch.optim.Optimizer] = [
        StackedMuon(body, lr=muon),
        torch.optim.Adam(rest, adam, betas=(0.9, 0.99)),
    ]
    while lesson.unfinished():
        for optimiser, rate in zip(optimisers, (muon, adam), strict=True):
            optimiser.param_groups[0]["lr"] = rate * lesson.part()
        high, out = _draw(lesson, answers, batch)
        green = torch.view_as_real(torch.fft.rfft2((out - high)[:, 1], norm="ortho"))
        lesson.step(distance(out, high) + _FOURIER_SHARE * green.abs().mean(), optimisers)


def _in_body(name: str) -> bool:
    return name.startswith("body.") and name.endswith(".weight")


def sharpen(lesson: Lesson, answers: Answers, adversarial: float, batch: int) -> None:
    """Learn to be taken for the teacher by a critic, which learns beside.

    Distances alone make the learner blur what it does not know exactly. ``adversarial``: length of
    the critic's gradient at the learner's output, in lengths of the distance's (as Esser et al.
    weight theirs in Taming transformers, 2021).
    """
    critic = Critic().to(lesson.device, memory_format=torch.channels_last)
    own = [p for p in lesson.network.parameters() if p.requires_grad]
    learner = torch.optim.Adam(own, _FINE_RATE, betas=(0.9, 0.99))
    judge = torch.optim.Adam(critic.parameters(), _CRITIC_RATE, betas=(0.5, 0.99))
    alone = _CRITIC_ALONE_STEPS
    while lesson.unfinished():
        high, out = _draw(lesson, answers, batch)
        judge.zero_grad()
        real, made = critic(high), critic(out.detach())
        (F.relu(1 - real).mean() + F.relu(1 + made).mean()).backward()
        judge.step()
        if alone:
            alone -= 1
            continue
        learner.param_groups[0]["lr"] = _FINE_RATE * lesson.part()
        (near,) = torch.autograd.grad(distance(out, high), out, retain_graph=True)
        (like,) = torch.autograd.grad(-critic(out).mean(), out, retain_graph=True)
        like = like * (near.norm() / like.norm().clamp(min=_MIN_NORM))
        lesson.step((out * (near + adversarial * like)).sum(), [learner])


def fit_tail(network: Compact, low: torch.Tensor, scale: int) -> Compact:
    """Return the network for a smaller scale: its tail fitted to the shrunken output of this one.

    Least squares over the pixels of ``low`` (n, 3, h, w): with the body fixed, what is shrunk by
    bicubic with antialiasing is nearly a linear function of the same features.
    """
    channels = network.tail.weight.shape[1]
    small = Compact(scale, channels, len(network.body))
    columns, gram, aims = channels * 9 + 1, torch.zeros(0), torch.zeros(0)
    gram = torch.zeros(columns, columns, dtype=torch.float64)
    aims = torch.zeros(columns, 3 * scale * scale, dtype=torch.float64)
    with torch.no_grad():
        for part in low.split(1):
            size = [side * scale for side in part.shape[2:]]
            shrunk = F.interpolate(network(part), size, mode="bicubic", antialias=True)
            wanted = F.pixel_unshuffle(shrunk, scale) if scale > 1 else shrunk
            wanted = wanted - small.nearest(part)
            seen = F.unfold(network.features(part), 3, padding=1)[0]
            seen = torch.cat([seen, torch.ones(1, seen.shape[1])]).double()
            gram += seen @ seen.T
            aims += seen @ wanted[0].flatten(1).T.double()
        gram += torch.eye(columns) * _RIDGE * gram.diagonal().mean()
        found = torch.linalg.solve(gram, aims).float()
        kept = {
            name: value for name, value in network.state_dict().items() if "nearest" not in name
        }
        small.load_state_dict({**kept, **_tail(found)}, strict=False)
    return small


def _tail(found: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the state of a tail from a solution (channels * 9 + 1, outputs)."""
    weight = found[:-1].T.reshape(found.shape[1], -1, 3, 3).contiguous()
    return {"tail.weight": weight, "tail.bias": found[-1].clone()}


def teach(
    pictures: Path,
    teacher: Path,
    run: Path,
    count: int = 6000,
    minutes: tuple[float, float] = (45.0, 15.0),
    muon: float = 0.003,
    adam: float = 4e-4,
    adversarial: float = 0.5,
    batch: int = 8,
    start: Path | None = None,
) -> None:
    """Do all of the module's docstring.

    ``minutes``: of following the teacher, and of the critic. ``start``: a network that this wrote,
    instead of a cut of the teacher.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    training, _ = split(pictures)
    if not (run / "high.npy").exists():
        Answers.write(run, training, asking(teacher), count)
    answers = Answers(run)
    network = Compact(SCALE)
    network.take(start or teacher, range(16) if start else KEPT)
    curve = []
    first, second = minutes
    lessons: list[tuple[float, float, Callable[[Lesson], None]]] = [
        (first, AVERAGE, lambda one: follow(one, answers, muon, adam, batch)),
        (second, _FINE_AVERAGE, lambda one: sharpen(one, answers, adversarial, batch)),
    ]
    for share, average, learn in lessons:
        if share:
            lesson = Lesson(network, share, average)
            learn(lesson)
            network = lesson.averaged.cpu()
            curve.append({"steps": lesson.steps, "seconds": lesson.seconds()})
    sample = tensor(answers.low[: min(_FITTED, len(answers.low))])
    for scale in SCALES:
        part = network if scale == SCALE else fit_tail(network, sample, scale)
        write(part, run / f"network_x{scale}.onnx")
    record = {
        "scales": SCALES,
        "teacher": teacher.name,
        "kept": KEPT,
        "patches": len(answers.low),
        "muon": muon,
        "adam": adam,
        "adversarial": adversarial,
        "batch": batch,
        "lessons": curve,
        "versions": {"torch": torch.__version__, "cv2": cv2.__version__},
    }
    (run / "run.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.photo", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=6000, help="patches")
    parser.add_argument("--minutes", type=float, nargs=2, default=(45.0, 15.0))
    parser.add_argument("--adversarial", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--start", type=Path, help="a network to continue, instead of a cut")
    teach(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
