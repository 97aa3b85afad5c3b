"""The choice of metadata: its spelling, and the bytes that results are counted for."""

from __future__ import annotations

import pytest

from models.errors import BadParameter
from models.images.inspect import ImageHeader
from models.images.metadata import MAX_BLOCK_BYTES, MetadataChoice, read_choice
from models.operations.fingerprint import fingerprint
from models.result_bytes import most_bytes


def test_choices_are_read() -> None:
    spelt = ["", "none", "safe", "all", " Safe ", "ALL"]
    assert [read_choice(text) for text in spelt] == ["none", "none", "safe", "all", "safe", "all"]


@pytest.mark.parametrize("text", ["some", "1", "no", "safe,all", "x" * 1000, "\n{}"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="known: none, safe, all") as refused:
        read_choice(text)
    assert refused.value.facts == {"parameter": "metadata", "known": ["none", "safe", "all"]}
    assert len(refused.value.detail) < 100


def test_each_choice_is_another_task_and_none_is_as_before() -> None:
    choices: list[MetadataChoice] = ["none", "safe", "all"]
    marks = [fingerprint("a" * 64, [], "png", [], metadata=choice) for choice in choices]
    assert len(set(marks)) == 3 and marks[0] == fingerprint("a" * 64, [], "png", [])


def test_every_result_is_counted_with_its_metadata() -> None:
    header, sizes = ImageHeader("jpeg", 10, 10), [(10, 10)] * 4
    plain = most_bytes(header, [], "jpeg", sizes)
    assert most_bytes(header, [], "jpeg", sizes, "safe") == plain
    assert most_bytes(header, [], "jpeg", sizes, "all") == plain + 4 * 3 * MAX_BLOCK_BYTES
