"""Generate the before/after illustrations with the workers' pipeline."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

from models.networks.catalogue import Catalogue
from models.operations import Operation, parse
from models.operations.restore import Restore
from models.operations.spec import Size
from models.operations.steps import final_encoding
from models.operations.trim import Trim
from workers.pipeline import Limits, Pipeline

BEFORE: Size = (180, 210)
"""Size that photographs are cropped and scaled to, so that all illustrations have known sizes."""

_GAP = 12  # pixels of white between two pictures
_QUALITY = 85
_DAMAGED_QUALITY = 30
_FRAME, _FRAME_WIDTH = "#d7ccb9", 24
_LIMITS = Limits(max_pixels=10**6, max_output_pixels=10**7, tile_pixels=160)


def source(path: Path) -> Image.Image:
    """Return the photograph at ``path`` as it appears on the left of each illustration."""
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file).convert("RGB")
    return ImageOps.fit(upright, BEFORE, Image.Resampling.LANCZOS)


def canvas(spec: type[Operation]) -> Size:
    """Return the illustration's size: before, a gap, and the results in two columns."""
    sizes = parse(spec.op, spec.example).output_sizes(*BEFORE)
    width = sum(w for w, _ in sizes[:2]) + _GAP * (len(sizes[:2]) - 1)
    height = sum(h for _, h in sizes[::2]) + _GAP * (len(sizes[::2]) - 1)
    return BEFORE[0] + 2 * _GAP + width, max(BEFORE[1], height)


def draw(spec: type[Operation], before: Image.Image, path: Path) -> None:
    """Apply the operation's example to ``before`` and write both to ``path`` as JPEG.

    What mends photographs gets a damaged one, what trims a framed one.
    """
    if spec is Restore:
        before = _damaged(before)
    elif spec is Trim:
        before = _framed(before)
    drawn = Image.new("RGB", canvas(spec), "white")
    drawn.paste(before, (0, 0))
    left = BEFORE[0] + 2 * _GAP
    x, y = left, 0
    for number, after in enumerate(_results(spec, before)):
        drawn.paste(after, (x, y))
        x += after.width + _GAP
        if number % 2:
            x, y = left, y + after.height + _GAP
    drawn.save(path, quality=_QUALITY, subsampling="4:4:4", optimize=True)


def _damaged(picture: Image.Image) -> Image.Image:
    """Return ``picture`` as a JPEG of low quality shows it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_DAMAGED_QUALITY)
    return Image.open(file).convert("RGB")


def _framed(picture: Image.Image) -> Image.Image:
    """Return ``picture`` smaller, in a frame of one colour."""
    framed = Image.new("RGB", picture.size, _FRAME)
    inner = (picture.width - 2 * _FRAME_WIDTH, picture.height - 2 * _FRAME_WIDTH)
    framed.paste(picture.resize(inner, Image.Resampling.LANCZOS), (_FRAME_WIDTH, _FRAME_WIDTH))
    return framed


def _results(spec: type[Operation], before: Image.Image) -> list[Image.Image]:
    operations = [parse(spec.op, spec.example)]
    with tempfile.TemporaryDirectory(prefix="darkroom-docs-") as folder:
        original = Path(folder) / "before.png"
        before.save(original)
        pipeline = Pipeline(
            operations,
            final_encoding(operations, "png"),
            Catalogue.read(None),
            _LIMITS,
            lambda share: None,
        )
        made = pipeline.process(original, Path(folder), _LIMITS.max_pixels)
        return [Image.open(result.path).convert("RGB") for result in made.results]
