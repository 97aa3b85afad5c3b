"""``make mutations`` breaks conditions that exist."""

from __future__ import annotations

from tests.support.mutations import MUTATIONS
from tests.support.paths import ROOT


def test_each_mutation_changes_one_place() -> None:
    found = {each.old: (ROOT / each.file).read_text().count(each.old) for each in MUTATIONS}
    assert {old: count for old, count in found.items() if count != 1} == {}
