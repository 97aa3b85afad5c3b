"""``python -m bench.smartcrop PICTURES``: how often ``smartcrop`` keeps a photograph's subject.

PICTURES has photographs of BSDS500, of which those with one clear subject are taken: where it is
was marked by hand. Prints a Markdown table: the share of photographs, in percent, of which at least
nine tenths of the subject are in the result (or as much as it can hold), beside the cut in the
middle. Each photograph as it is, and cut to three quarters of its length so that its subject stands
near one end: left, right or both, where it fits.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.operations.smartcrop import SmartCrop
from workers.imaging.picture import Picture, Pixels
from workers.operations.smartcrop import find

# Left, top, right and bottom of the subject, in percent of width and height.
SUBJECTS = {
    "100007": (21, 43, 50, 66),
    "100039": (28, 29, 62, 99),
    "100075": (9, 31, 73, 86),
    "100080": (24, 39, 80, 89),
    "100098": (39, 33, 99, 88),
    "100099": (26, 25, 75, 99),
    "101084": (20, 2, 91, 99),
    "103006": (3, 16, 57, 96),
    "104010": (16, 7, 71, 54),
    "104055": (13, 34, 71, 65),
    "105019": (48, 36, 74, 69),
    "105027": (27, 23, 61, 91),
    "106005": (28, 9, 68, 77),
    "106020": (31, 1, 93, 91),
    "106025": (27, 23, 66, 87),
    "106047": (35, 20, 59, 83),
    "107014": (11, 23, 67, 89),
    "107045": (42, 28, 82, 73),
    "108036": (19, 15, 75, 97),
    "108041": (0, 36, 72, 70),
    "108069": (26, 27, 69, 93),
    "109034": (40, 33, 67, 68),
    "109055": (13, 25, 64, 95),
    "112056": (17, 33, 80, 72),
    "112090": (39, 27, 90, 80),
    "113009": (20, 27, 89, 68),
    "118015": (30, 12, 95, 94),
    "12074": (25, 10, 72, 88),
    "122048": (27, 12, 61, 88),
    "123057": (2, 18, 63, 73),
    "126039": (15, 26, 56, 69),
    "130014": (13, 25, 80, 86),
    "130066": (23, 12, 68, 95),
    "134049": (39, 20, 63, 79),
    "134067": (32, 30, 71, 71),
    "135037": (28, 12, 84, 69),
    "135069": (34, 16, 73, 73),
    "138078": (29, 36, 89, 70),
    "14092": (36, 37, 75, 95),
    "145014": (32, 12, 63, 80),
    "145053": (32, 21, 49, 99),
}
RATIOS = ("1:1", "3:4", "9:16")
_FRAME = 4  # pixels: some of them have a dark one
_KEPT = 0.9
_LENGTH = 0.75  # of a photograph whose subject is to stand near its end
_NEAR = 0.02  # of the length, between the subject and the end

Span = tuple[float, float]
"""First and last place of the subject along the longer side, in pixels."""


def cases(folder: Path) -> Iterator[tuple[str, Pixels, Span]]:
    """Yield (kind, picture, subject); each picture is wider than high, as if turned."""
    for name, box in SUBJECTS.items():
        file = cv2.imread(str(folder / f"{name}.jpg"))
        if file is None:
            raise FileNotFoundError(f"{folder / name}.jpg: BSDS500 has it")
        picture: Pixels = np.asarray(file, np.uint8)[_FRAME:-_FRAME, _FRAME:-_FRAME]
        along = 0
        if picture.shape[0] > picture.shape[1]:
            picture, along = picture.transpose(1, 0, 2), 1
        length = picture.shape[1]
        start, stop = (box[along] / 100 * length, box[along + 2] / 100 * length)
        yield "as it is", picture, (start, stop)
        part = round(_LENGTH * length)
        left = min(max(0, round(start - _NEAR * length)), length - part)
        right = max(min(length, round(stop + _NEAR * length)), part) - part
        for first in {left, right}:
            if first <= start and stop <= first + part:
                cut = picture[:, first : first + part]
                yield "subject near an end", cut, (start - first, stop - first)


def kept(start: float, length: float, subject: Span) -> bool:
    """Return whether a cut from ``start`` on has nine tenths of the subject that it can hold."""
    inside = min(start + length, subject[1]) - max(start, subject[0])
    return inside >= _KEPT * min(length, subject[1] - subject[0])


def main() -> None:
    found = list(cases(Path(sys.argv[1])))
    print("| photographs | shape | smartcrop | middle |\n|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, *_ in found):
        for ratio in RATIOS:
            smart, middle = [], []
            for picture, subject in ((p, s) for k, p, s in found if k == kind):
                height, width = picture.shape[:2]
                length, _ = SmartCrop(ratio=ratio).part_size(width, height)
                place, _ = find(Picture(np.ascontiguousarray(picture)), (length, height))
                smart.append(kept(place * (width - length), length, subject))
                middle.append(kept((width - length) / 2, length, subject))
            shares = (f"{100 * sum(each) / len(each):.0f}" for each in (smart, middle))
            print(f"| {len(smart)} {kind} | {ratio} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()
