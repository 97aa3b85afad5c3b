"""What is written is true: commands, session, settings, links."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from models.settings import Settings
from service.app import create_app
from tests.support.paths import ROOT
from tests.support.standalone_process import House

README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), ROOT / "weights" / "README.md", ROOT / "bench" / "README.md"]
)


def test_the_first_screen_shows_the_two_commands() -> None:
    first = "\n".join(README.splitlines()[:20])
    assert re.search(r"^make run\s", first, re.MULTILINE)
    assert re.search(r"^make test\s", first, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def commands() -> list[str]:
    return re.findall(r"^\$ (curl .*)$", README, re.MULTILINE)


def test_the_session_runs_as_it_stands(house: House, tmp_path: Path, shared: Path) -> None:
    """Every curl line of the README, with the port and the id of this run."""
    import shutil
    import subprocess

    shutil.copy(shared / "images" / "lama.png", tmp_path)
    task_id = ""
    answers = []
    assert len(commands()) == 4
    for command in commands():
        line = command.replace("localhost:8080", f"127.0.0.1:{house.port}")
        line = re.sub(r"/tasks/[0-9a-f]{32}", f"/tasks/{task_id}", line)
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        answers.append(done.stdout)
        if not task_id:
            task_id = json.loads(done.stdout)["task_id"]
    shown = re.findall(r"^(\{.*\})$", README, re.MULTILINE)
    assert set(json.loads(shown[0])) == set(json.loads(answers[0]))
    assert json.loads(answers[1])["url"] == "/processed/lama-upscale-x2.png"
    assert (tmp_path / "lama-upscale-x2.png").stat().st_size == (
        tmp_path / "big.png"
    ).stat().st_size


def test_settings_named_in_documents_exist() -> None:
    names = {name.upper() for name in Settings.model_fields}
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| (.*?) \|", README, re.MULTILINE)
    assert rows
    for cell, default in rows:
        for name in re.findall(r"`([A-Z_]+)`", cell):
            assert name in names
        for name, shown in zip(
            re.findall(r"`([A-Z_]+)`", cell), re.findall(r"`([^`]+)`", default), strict=False
        ):
            assert str(Settings.model_fields[name.lower()].default) == shown


def test_routes_named_in_the_readme_exist() -> None:
    app = create_app(Settings(redis_url="redis://x", mongo_url="mongodb://x"))
    known = {route.resource.canonical for route in app.router.routes() if route.resource}
    named = re.findall(r"`(?:GET|POST) (/[^`]*)`", README)
    assert named
    for path in named:
        assert re.sub(r"<(\w+)>", r"{\1}", path) in known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_files_the_architecture_names_exist() -> None:
    for path in re.findall(r"`((?:models|service|workers|tests|bench|weights)/[\w./]*)`", README):
        assert (ROOT / path).exists(), path


def test_no_wheel_is_without_a_reason() -> None:
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "training/requirements.txt",
        "training/torch.txt",
    ):
        for line in (ROOT / name).read_text().splitlines():
            if "==" in line and not line.startswith(("#", "types-")):
                assert re.search(r"==\S+.*#\s+\S+ \S+", line), line


def test_what_the_page_on_security_names_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    tests = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", page))
    assert tests
    for name in tests:
        assert (ROOT / "tests" / name.removeprefix("tests/")).exists(), name
    known = {name.upper() for name in Settings.model_fields}
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})(?:=\w+)?`", page))
    assert named
    assert named <= known
