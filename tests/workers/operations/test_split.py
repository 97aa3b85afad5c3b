"""The split operation: four parts in order that make up the whole picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import BadParameter
from models.networks.catalogue import Catalogue
from models.operations import Encoding, Operation, parse
from models.operations.blur import Blur
from models.operations.split import Split
from models.operations.thumbnail import Thumbnail
from models.operations.upscale import Upscale
from tests.support import images
from tests.workers.operations import bgr, document, refusal, tools
from workers.imaging.picture import Picture
from workers.operations import run
from workers.pipeline import Limits, Pipeline


@pytest.mark.parametrize("size", [(60, 50), (61, 50), (60, 51), (61, 51), (2, 2), (3, 2), (2, 999)])
def test_parts_contain_every_pixel(size: tuple[int, int]) -> None:
    source = Picture(bgr(*size), bgr(*size)[:, :, 0].copy(), b"profile")
    parts = run(source, Split(), tools())
    assert len(parts) == Split.parts
    assert [part.size for part in parts] == Split().output_sizes(*size)
    planes = [np.dstack([p.pixels, p.alpha]) for p in parts if p.alpha is not None]
    together = np.vstack([np.hstack(planes[:2]), np.hstack(planes[2:])])
    assert (together[:, :, :3] == source.pixels).all()
    assert (together[:, :, 3] == source.alpha).all()
    assert {part.icc for part in parts} == {b"profile"}


def test_parts_are_in_reading_order() -> None:
    plane = np.array([[1, 2], [3, 4]], np.uint8)
    assert [int(p.pixels[0, 0]) for p in run(Picture(plane), Split(), tools())] == [1, 2, 3, 4]


@pytest.mark.parametrize("encoding", [Encoding("png"), Encoding("jpeg"), Encoding("webp")])
@pytest.mark.parametrize("after", [Upscale(), Blur(), Thumbnail(width=7, height=7), Split()])
def test_parts_can_be_processed_and_written(
    tmp_path: Path, after: Operation, encoding: Encoding
) -> None:
    for name, data in (("colour", images.png(41, 31)), ("gray", gray())):
        source = tmp_path / name
        source.write_bytes(data)
        pipeline = Pipeline(
            [Split(), after],
            encoding,
            Catalogue.read(None),
            Limits(10**6, 10**6, 64),
            lambda s: None,
        )
        results = pipeline.process(source, tmp_path, 10**6).results
        assert len(results) == 4 * after.parts
        assert sum(result.bytes for result in results) > 0


def gray() -> bytes:
    with_alpha = images.decoded(images.png(41, 31)).convert("LA")
    with_alpha.putalpha(with_alpha.getchannel("L"))
    return images.encoded(with_alpha)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_sides_of_one_pixel_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(
        BadParameter, match=f"{size[0]} x {size[1]} pixels; .* at least 2"
    ) as caught:
        Split().output_sizes(*size)
    assert caught.value.facts == {"limit": 2, "measured": 1}


def test_split_has_no_parameters() -> None:
    assert document("split") == {"op": "split"}
    assert parse("split", {}).label() == "split"
    assert "unknown field 'parts'; known: none" in refusal("split", parts="4")
