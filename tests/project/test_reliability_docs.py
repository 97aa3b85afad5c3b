"""docs/reliability.md names tests, files and settings that exist."""

from __future__ import annotations

import re

from models.settings import FIELDS
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text()


def test_each_promise_names_an_existing_test() -> None:
    promises = TEXT.partition("| what is promised")[2].partition("\n\n")[0]
    rows = [line for line in promises.splitlines()[2:] if line.startswith("|")]
    assert rows
    for row in rows:
        assert "storm" in row.split("|")[-2] or "tests/" in row.split("|")[-2], row
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT):
        assert (ROOT / path).exists(), path
        assert f"def {name}" in (ROOT / path).read_text(), name


def test_named_settings_and_commands_exist() -> None:
    known = {name.upper() for name in FIELDS}
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", TEXT)) - {"FLUSHALL"}
    assert named
    assert named <= known
    for command in re.findall(r"`make (\w+)", TEXT):
        assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), re.MULTILINE), command
