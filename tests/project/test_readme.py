"""The README is true: commands, session, settings, links."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from models.settings import FIELDS, Settings
from service.app import create_app
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess

PHOTOGRAPHS = ROOT / "tests" / "photographs"
README = (ROOT / "README.md").read_text()
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[a-z]*.md"))
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "weights" / "README.md",
        ROOT / "bench" / "README.md",
    ]
)


def test_first_screen_shows_the_two_commands() -> None:
    first = "\n".join(README.splitlines()[:20])
    assert re.search(r"^make run\s", first, re.MULTILINE)
    assert re.search(r"^make test\s", first, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^make check\s", first, re.MULTILINE)
    for target in ("run", "test", "check"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def commands() -> list[str]:
    return re.findall(r"^\$ (curl .*)$", README, re.MULTILINE)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what a fresh clone has for the commands of the README."""
    shutil.copytree(PHOTOGRAPHS, tmp_path / "tests" / "photographs")
    return tmp_path


def run(script: str, darkroom: StandaloneProcess, folder: Path) -> str:
    """Run ``script`` against the service under test; return its output."""
    script = script.replace("localhost:8080", f"127.0.0.1:{darkroom.port}")
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_first_paste_upscales_the_photographs(darkroom: StandaloneProcess, clone: Path) -> None:
    (paste,) = re.findall(r"^```sh\n(group=.*?)^```", README, re.MULTILINE | re.DOTALL)
    shown = json.loads(run(paste, darkroom, clone))
    assert (shown["status"], shown["done"]) == ("SUCCESS", 3)
    photographs = {path.stem for path in PHOTOGRAPHS.glob("*.png")}
    with zipfile.ZipFile(clone / "upscaled.zip") as archive:
        assert set(archive.namelist()) == {f"{name}-upscale-x2.png" for name in photographs}
        for name in archive.namelist():
            assert images.decoded(archive.read(name)).size == (384, 384)


def test_session_runs(darkroom: StandaloneProcess, clone: Path) -> None:
    """Every curl line of the README, with the port and the id of this run."""
    task_id = ""
    answers = []
    assert len(commands()) == 4
    for command in commands():
        answers.append(run(command.replace("<task_id>", task_id), darkroom, clone))
        if not task_id:
            task_id = json.loads(answers[0])["task_id"]
    shown = re.findall(r"^(\{.*\})$", README, re.MULTILINE)
    assert set(json.loads(shown[0])) == set(json.loads(answers[0]))
    assert json.loads(answers[1])["url"] == "/processed/chelsea-upscale-x2.png"
    assert (clone / "chelsea-upscale-x2.png").stat().st_size == (
        clone / "chelsea-x2.png"
    ).stat().st_size


def test_settings_named_in_documents_exist() -> None:
    names = {name.upper() for name in FIELDS}
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| (.*?) \|", README, re.MULTILINE)
    assert rows
    for cell, default in rows:
        for name in re.findall(r"`([A-Z_]+)`", cell):
            assert name in names
        for name, shown in zip(
            re.findall(r"`([A-Z_]+)`", cell), re.findall(r"`([^`]+)`", default), strict=False
        ):
            assert str(FIELDS[name.lower()].default) == shown


def test_routes_named_in_the_readme_exist() -> None:
    app = create_app(Settings().replace(redis_url="redis://x", mongo_url="mongodb://x"))
    known = {route.resource.canonical for route in app.router.routes() if route.resource}
    named = re.findall(r"`(?:GET|POST) (/[^`]*)`", README)
    assert named
    for path in named:
        assert re.sub(r"<(\w+)>", r"{\1}", path) in known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *DECISIONS], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_named_files_exist(document: Path) -> None:
    folders = "models|service|workers|tests|bench|weights"
    for path in re.findall(rf"`((?:{folders})/[\w./]*)`", document.read_text()):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.name)
def test_each_decision_has_a_heading_and_at_most_ten_lines(page: Path) -> None:
    title, *decisions = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    assert len(title.splitlines()) < 10
    for decision in decisions:
        heading, *lines = filter(None, decision.splitlines())
        assert 0 < len(lines) <= 10, heading
    index = (page.parent / "README.md").read_text()
    assert f"({page.name})" in index


def test_every_requirement_has_a_reason() -> None:
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "training/requirements.txt",
        "training/torch.txt",
    ):
        for line in (ROOT / name).read_text().splitlines():
            if "==" in line and not line.startswith(("#", "types-")):
                assert re.search(r"==\S+.*#\s+\S+ \S+", line), line


def test_security_page_names_existing_tests_and_settings() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    tests = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", page))
    assert tests
    for name in tests:
        assert (ROOT / "tests" / name.removeprefix("tests/")).exists(), name
    known = {name.upper() for name in FIELDS}
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})(?:=\w+)?`", page))
    assert named
    assert named <= known


def test_changelog_lists_old_names_of_settings() -> None:
    """A script that renames a setting everywhere must spare the column of old names."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|$", changelog, re.MULTILINE)
    assert rows and [old for old, _ in rows if old.lower() in FIELDS] == []
