"""``python -m training.photo PICTURES TEACHER.onnx RUN``: networks for damaged photographs.

The learner is a shorter copy of the teacher, realesr-general-x4v3: half of its layers. It learns
the teacher's answers to damaged patches (``training.damage``) by their distance. The tails for x1
to x3 are fitted by least squares to the shrunken answers.
Writes ``network_x1.onnx`` to ``network_x4.onnx`` and ``run.json`` into RUN.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import torch
from torch.nn import functional as F

from training.answers import SCALE, Answers, asking, tensor
from training.compact import Compact
from training.dataset import split
from training.lesson import Lesson
from training.muon import StackedMuon
from training.onnx_file import write

KEPT = (0, 5, 16, 17, 18, 19, 20, *range(23, 32))
"""The teacher's layers that the learner starts with: removing others, one after the other, the one
whose loss changed the answers least, led to these (32 to 16)."""
SCALES = (1, 2, 3, SCALE)
MUON, ADAM = 0.003, 4e-4  # rates
_GRADIENT_SHARE, _FOURIER_SHARE = 0.5, 0.02
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
    minutes: float = 60.0,
    part: float = 1.0,
    batch: int = 8,
    start: Path | None = None,
) -> None:
    """Do all of the module's docstring.

    ``start``: a network that this wrote, instead of a cut of the teacher. ``part``: of the usual
    learning rates.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    training, _ = split(pictures)
    if not (run / "high.npy").exists():
        Answers.write(run, training, asking(teacher), count)
    answers = Answers(run)
    network = Compact(SCALE)
    network.take(start or teacher, range(16) if start else KEPT)
    lesson = Lesson(network, minutes)
    follow(lesson, answers, MUON * part, ADAM * part, batch)
    sample = tensor(answers.low[: min(_FITTED, len(answers.low))])
    network = lesson.averaged.cpu()
    for scale in SCALES:
        fitted = network if scale == SCALE else fit_tail(network, sample, scale)
        write(fitted, run / f"network_x{scale}.onnx")
    record = {
        "scales": SCALES,
        "teacher": teacher.name,
        "start": start.name if start else KEPT,
        "patches": len(answers.low),
        "muon": MUON * part,
        "adam": ADAM * part,
        "batch": batch,
        "steps": lesson.steps,
        "seconds": lesson.seconds(),
        "versions": {"torch": torch.__version__, "cv2": cv2.__version__},
    }
    (run / "run.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.photo", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=6000, help="patches")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--part", type=float, default=1.0, help="of the usual learning rates")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--start", type=Path, help="a network to continue, instead of a cut")
    teach(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
