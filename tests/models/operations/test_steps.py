"""Pipelines: how operations are written in a row, what they make, and how it is encoded."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadParameter, TooManyPixels
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS, Encoding, Operation, legacy_syntax, load, parse
from models.operations.steps import final_encoding, read_pipeline, result_count, result_sizes
from tests.support import images
from workers.pipeline import Limits, Outputs, Pipeline

LIMITS = Limits(10**6, 10**6, 64)


def documents(*values: str) -> list[str]:
    return [f"{o.op} {json.dumps(o.document())}" for o in read_pipeline(values, 20)]


def test_ways_to_write_the_same() -> None:
    expected = documents(
        '["grayscale", {"op": "resize", "scale": 2}, {"op": "blur", "kernel": 25}]'
    )
    assert [line.partition(" ")[0] for line in expected] == ["grayscale", "resize", "blur"]
    assert documents("grayscale", "resize=2", "blur=25") == expected
    assert documents('["grayscale", "resize=2"]', "blur=25") == expected
    assert documents(" grayscale ", '{"op": "resize", "scale": "2"}', ' "blur = 25" ') == expected


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "operations is empty"),
        (["  "], "operations is empty"),
        (["[]"], "operations is empty"),
        (["shout"], r"operation 1: unknown operation 'shout'; known: upscale"),
        (["resize=2", "resize=nan"], r"operation 2: resize: scale"),
        (["resize=2", "resize=0"], r"operation 2: .*0\.05"),
        (["split=9"], "split takes no value"),
        (["grayscale=maybe"], "grayscale takes no value"),
        (["[1, 2]"], r"operation 1 is '1'; write"),
        (['[["resize=2"]]'], "operation 1 is"),
        (['{"op": 3}'], "operation 1 is"),
        (['{"scale": 3}'], "operation 1 is"),
        (['{"op": "resize", "scale": 2, "tint": "red"}'], "unknown field 'tint'"),
        (["[" * 100_000], "is not valid JSON"),
        (["{"], "is not valid JSON"),
        (["resize=2"] * 21, "21 operations; at most 20 are allowed"),
    ],
)
def test_refused(values: list[str], sentence: str) -> None:
    with pytest.raises(BadParameter, match=sentence):
        read_pipeline(values, 20)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_is_read_or_refused(values: list[str]) -> None:
    with contextlib.suppress(BadParameter):
        assert all(o.op in OPERATIONS for o in read_pipeline(values, 20))


def test_every_shorthand_is_a_parameter() -> None:
    for spec in OPERATIONS.values():
        assert spec.shorthand is None or spec.shorthand in spec.model_fields


def test_sizes_of_all_parts() -> None:
    operations = read_pipeline(["split", "resize=2", "split"], 20)
    assert result_count(operations) == 16
    found = result_sizes(operations, (5, 3), 10**6)
    # 5x3 -> 2x1 3x1 2x2 3x2 -> doubled -> quartered
    assert len(found) == 16
    assert sum(w * h for w, h in found) == 5 * 3 * 4
    with pytest.raises(TooManyPixels, match="resize: 4 times about 4 x 2 = 60 pixels.*MAX_OUTPUT"):
        result_sizes(operations, (5, 3), 59)


def test_how_results_are_written() -> None:
    assert final_encoding(read_pipeline(["resize=2"], 9), "jpeg") == Encoding("jpeg")
    converted = read_pipeline(
        ["convert=jpeg", "resize=2", '{"op":"convert","format":"webp","quality":7}'], 9
    )
    assert final_encoding(converted, "png") == Encoding("webp", 7)


def run(tmp_path: Path, operations: list[Operation], keep: tuple[int, ...] = ()) -> Outputs:
    source = tmp_path / "source.png"
    source.write_bytes(images.png(41, 31))
    told: list[float] = []
    pipeline = Pipeline(
        operations, Encoding("png"), Catalogue.read(None), LIMITS, told.append, keep
    )
    outputs = pipeline.process(source, tmp_path, LIMITS.max_pixels)
    assert told == sorted(told) and all(0 <= share <= 1.0001 for share in told)
    return outputs


def test_progress_counts_each_step_by_its_predicted_work(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(images.png(40, 30))
    told: list[tuple[float, float]] = []
    pipeline = Pipeline(
        read_pipeline(["split", "upscale=2"], 9),
        Encoding("png"),
        Catalogue.read(None),
        LIMITS,
        lambda share: told.append((round(share, 3), round(pipeline.until, 3))),
        step_seconds=(1.0, 1.0, 6.0, 2.0),  # decode, split, upscale and encode, the last four times
    )
    pipeline.process(source, tmp_path, LIMITS.max_pixels)
    assert told[:3] == [(0.0, 0.1), (0.1, 0.2), (0.2, 0.35)]
    assert told[-1] == (0.95, 1.0)  # the encoding of the last part
    assert told == sorted(told)
    assert all(share <= until <= 1 for share, until in told)
    assert (0.35, 0.4) in told  # the first part is written before the second is enlarged


def pixels(path: str) -> images.Pixels:
    return np.asarray(images.decoded(Path(path).read_bytes()), np.uint8)


def test_what_follows_a_split_is_done_to_each_part(tmp_path: Path) -> None:
    whole = images.scene(41, 31)
    outputs = run(tmp_path, read_pipeline(["split", "rotate=180"], 9))
    assert [(o.width, o.height) for o in outputs.results] == [
        (20, 15),
        (21, 15),
        (20, 16),
        (21, 16),
    ]
    corners = [whole[:15, :20], whole[:15, 20:], whole[15:, :20], whole[15:, 20:]]
    for output, corner in zip(outputs.results, corners, strict=True):
        assert (pixels(output.path) == corner[::-1, ::-1]).all()


def test_two_splits_make_sixteen_in_order(tmp_path: Path) -> None:
    outputs = run(tmp_path, read_pipeline(["split", "split"], 9))
    assert len(outputs.results) == 16
    whole = images.scene(41, 31)
    assert (pixels(outputs.results[0].path) == whole[:7, :10]).all()
    assert (pixels(outputs.results[5].path) == whole[:7, 30:]).all()
    assert (pixels(outputs.results[15].path) == whole[23:, 30:]).all()


def test_nothing_is_lost_between_steps(tmp_path: Path) -> None:
    """Decoded once and encoded once: two steps give what both give in memory."""
    turned = run(tmp_path, read_pipeline(["rotate=90", "rotate=270"], 9)).results[0]
    assert (pixels(turned.path) == images.scene(41, 31)).all()


def test_a_kept_beginning_continues_to_the_same_bytes(tmp_path: Path) -> None:
    operations = read_pipeline(["upscale=2", "grayscale"], 9)
    outputs = run(tmp_path, operations, keep=(1,))
    assert set(outputs.kept) == {1}
    kept = Path(outputs.kept[1].path)
    (tmp_path / "rest").mkdir()
    rest = Pipeline(
        operations[1:], Encoding("png"), Catalogue.read(None), LIMITS, lambda share: None
    ).process(kept, tmp_path / "rest", LIMITS.max_output_pixels)
    assert rest.results[0].sha256 == outputs.results[0].sha256


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(images.png(40, 30))
    pipeline = Pipeline(
        read_pipeline(["upscale=2", "grayscale"], 9),
        Encoding("png"),
        Catalogue.read(None),
        Limits(80 * 60 - 1, 10**6, 64),
        lambda share: None,
        (1,),
    )
    assert pipeline.process(source, tmp_path, 40 * 30).kept == {}


def test_documents_come_back_the_same() -> None:
    for spec in (
        parse("resize", {"scale": "2"}),
        parse("blur", {}),
        parse("crop", {"width": "3", "height": "4"}),
        parse("rotate", {"angle": "-90"}),
        parse("convert", {"format": "jpg"}),
    ):
        assert load(json.loads(json.dumps(spec.document()))) == spec


def test_older_values_out_of_bounds_are_skipped() -> None:
    found = legacy_syntax.read_legacy_operations(
        [
            "splitQuadrants=True",
            "resize=0",
            "blur=-2",
            "split=False",
            "resize=2",
            "blur=25",
            "split=",
        ]
    )
    assert [o.op for o in found.operations] == ["split", "resize", "blur", "split"]
    assert set(found.skipped) == {2, 3, 4}
    assert "0.05" in found.skipped[2]
    with pytest.raises(BadParameter, match="unknown operation 'shout'"):
        legacy_syntax.read_legacy_operations(["shout=1"])
