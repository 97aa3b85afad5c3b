"""``python -m training.finetune PICTURES START.onnx RUN --scale 2``: teach SPAN damaged input.

Clean patches are learned from the original and from the network's own first answer, so that it
forgets nothing; patches after JPEG from the original; patterns from bicubic, so that the answers
to them stay in range. A start for a larger scale is shrunk (``training.span``), without a teacher.
Writes ``network_xSCALE.onnx`` and ``run.json`` into RUN.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import cv2
import torch

from training.colour_patches import CLEAN, PATTERN, Batch, ColourPatches, load
from training.dataset import pair, read_luma, split
from training.lesson import Lesson
from training.muon import StackedMuon
from training.onnx_file import layers, write
from training.span import OnLuma, Span
from training.validation import VALIDATED, Validation

COMPRESSED_SHARE, PATTERN_SHARE = 0.45, 0.05
TEACHER_SHARE = 0.5
MUON, ADAM = 0.003, 3e-4  # rates
_AVERAGE = 0.99  # a lesson of minutes has some hundred steps
PATCH = 64  # pixels of the input a side


def loss(out: torch.Tensor, batch: Batch, answer: torch.Tensor | None) -> torch.Tensor:
    """Return the mean over patches of the L1 distance; of patterns its logarithm."""
    apart = (out - batch.high).abs().mean((1, 2, 3))
    if answer is not None:
        from_teacher = (out - answer).abs().mean((1, 2, 3))
        clean = batch.kinds == CLEAN
        apart = torch.where(clean, torch.lerp(apart, from_teacher, TEACHER_SHARE), apart)
    # At first values of thousands: their gradients would drown all others.
    return torch.where(batch.kinds == PATTERN, torch.log1p(apart * 10) / 10, apart).mean()


def finetune(
    pictures: Path,
    start: Path,
    run: Path,
    scale: int,
    minutes: float,
    batch: int = 8,
    part: float = 1.0,
) -> None:
    """Teach the network of ``start`` for ``minutes``, with ``part`` of the usual rates."""
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    training, held_out = split(pictures)
    patches = ColourPatches(load(training, scale, PATCH), scale, seed=1)
    validation = Validation([pair(read_luma(p), scale, VALIDATED) for p in held_out], scale)
    network = Span(scale)
    network.take(start)
    same_scale = layers(start, "Conv")[-1][0].shape[0] == 3 * scale**2
    lesson = Lesson(network, minutes, _AVERAGE)
    teacher = copy.deepcopy(lesson.averaged) if same_scale else None
    square = [p for p in network.blocks.parameters() if p.ndim == 4]
    rest = [p for p in network.parameters() if all(p is not other for other in square)]
    optimisers: list[torch.optim.Optimizer] = [
        StackedMuon(square, lr=MUON),
        torch.optim.Adam(rest, ADAM, betas=(0.9, 0.99)),
    ]
    while lesson.unfinished():
        for optimiser, rate in zip(optimisers, (MUON, ADAM), strict=True):
            optimiser.param_groups[0]["lr"] = rate * part * lesson.part()
        batch_ = patches.draw(batch, PATCH, COMPRESSED_SHARE, PATTERN_SHARE).to(lesson.device)
        answer = None
        if teacher is not None:
            with torch.no_grad(), torch.autocast(lesson.device, torch.bfloat16):
                answer = teacher(batch_.low).float()
        lesson.step(loss(lesson.answer(batch_.low), batch_, answer), optimisers)
    figures = validation.figures(OnLuma(lesson.averaged))
    curve = [{"step": lesson.steps, "seconds": lesson.seconds(), **figures}]
    record = {
        "scales": [scale],
        "start": start.name,
        "pictures": len(training),
        "muon": MUON * part,
        "adam": ADAM * part,
        "batch": batch,
        "patch": PATCH,
        "compressed": COMPRESSED_SHARE,
        "patterns": PATTERN_SHARE,
        "versions": {"torch": torch.__version__, "cv2": cv2.__version__},
        "curve": curve,
    }
    (run / "run.json").write_text(json.dumps(record, indent=1) + "\n")
    write(lesson.averaged.cpu(), run / f"network_x{scale}.onnx")
    print(json.dumps(curve, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.finetune", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("start", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--part", type=float, default=1.0, help="of the usual learning rates")
    parser.add_argument("--batch", type=int, default=8)
    given = parser.parse_args()
    finetune(**vars(given))


if __name__ == "__main__":
    main()
