"""CONTRIBUTING's section "Adding an operation", followed to the letter in a copy of the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

FILES = (
    "models/operations/invert.py",
    "workers/operations/invert.py",
    "tests/workers/operations/test_invert.py",
)
MYPY_CACHE = ".mypy_cache"
REGISTRY = "models/operations/__init__.py"
TESTS = (
    FILES[2],
    "tests/workers/operations/test_every_operation.py",
    "tests/models/test_memory_estimate.py",
    "tests/models/operations/test_registry.py",
    "tests/project/test_operation_pages.py",
)


def written(section: str, path: str) -> str:
    """Return the block of Python that follows the first mention of ``path``."""
    after = section.partition(f"`{path}`")[2]
    block = re.search(r"```python\n(.*?)```", after, re.DOTALL)
    assert block, f"CONTRIBUTING shows no code of {path}"
    return block[1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the working tree without what git ignores, except the cache of mypy."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    copy = tmp_path / "darkroom"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    if (ROOT / MYPY_CACHE).is_dir():  # else mypy reads all libraries; it tells changed files itself
        shutil.copytree(ROOT / MYPY_CACHE, copy / MYPY_CACHE)
    return copy


def test_the_example_of_contributing_can_be_added(tree: Path) -> None:
    contributing = (tree / "CONTRIBUTING.md").read_text()
    section = contributing.partition("## Adding an operation")[2].partition("\n## ")[0]
    for path in FILES:
        (tree / path).write_text(written(section, path))
    registry = (tree / REGISTRY).read_text()
    for line in ("from models.operations.grayscale import Grayscale\n", "        Convert,\n"):
        assert registry.count(line) == 1
        new = line.replace("Grayscale", "Invert").replace("grayscale", "invert")
        registry = registry.replace(line, line + new.replace("Convert", "Invert"))
    (tree / REGISTRY).write_text(registry)

    def run(*command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tree, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}"

    run("docs")
    assert (tree / "docs" / "operations" / "invert.jpg").is_file()
    changed = (*FILES, REGISTRY)
    run("ruff", "check", "--fix", *changed)
    run("ruff", "format", "--check", *changed)
    run("mypy", *changed)
    run("pytest", "-q", "-p", "no:cacheprovider", "-k", "invert or registry or page", *TESTS)
