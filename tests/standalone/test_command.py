"""The command ``darkroom``: every program behind one entry, DATA_DIR found, and installed."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from models import VERSION
from models.operations import OPERATIONS
from models.settings import env_example
from standalone import command, data_folder
from standalone.own_modules import ROOT
from tests.support import images
from tests.support.command import Done, run_main


def darkroom(*arguments: str, **environment: str) -> Done:
    return run_main(partial(command.main, arguments), **environment)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("DATA_DIR", "WEIGHTS_DIR"):  # what the command sets goes again
        monkeypatch.setenv(name, "")


@pytest.mark.parametrize("name", command.COMMANDS)
def test_each_command_has_the_help_of_its_program(name: str) -> None:
    shown = darkroom(name, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: darkroom {name} ")


def test_the_help_lists_all_and_a_typo_is_refused() -> None:
    listed = darkroom("--help").stdout
    assert all(f"\n  {name} " in listed for name in (*OPERATIONS, "run", "serve", "work", "send"))
    assert darkroom("--version").stdout == f"darkroom {VERSION}\n"
    wrong = darkroom("upscael")
    assert wrong.returncode == 2 and "'upscael'" in wrong.stderr
    assert darkroom().returncode == 2


def test_it_delegates(tmp_path: Path) -> None:
    assert darkroom("env").stdout == env_example()
    (tmp_path / "cat.png").write_bytes(images.png(20, 10))
    assert darkroom("resize", "cat.png", "half.png", "--scale", "0.5") == (0, "", "")
    assert images.decoded((tmp_path / "half.png").read_bytes()).size == (10, 5)
    checked = darkroom("check")
    assert checked.returncode == 2
    assert f"DATA_DIR={tmp_path}/home/.local/share/darkroom" in checked.stderr
    assert "MONGO_URL must be set" in darkroom("serve").stderr
    assert "MONGO_URL must be set" in darkroom("work").stderr


def used(folder: Path) -> Path:
    """Return ``folder/data``, in which a Darkroom ran."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "lock").touch()
    return folder / "data"


def test_the_data_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    shared = tmp_path / "home" / ".local" / "share" / "darkroom"
    assert data_folder.find(below) == shared
    (tmp_path / "data").mkdir()
    assert data_folder.find(below) == shared  # any program may have a folder of this name
    outer = used(tmp_path / "a")
    assert data_folder.find(below) == outer
    inner = used(below)
    assert data_folder.find(below) == inner
    monkeypatch.setattr(os, "geteuid", lambda: 12345)  # another user's
    assert data_folder.find(below) == shared
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder.find(below) == shared
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/shared")
    assert data_folder.find(below) == Path("/srv/shared/darkroom")


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_what_is_set_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    used(tmp_path)
    if place == "environment":
        monkeypatch.setenv("DATA_DIR", "elsewhere")
    else:
        from tests.support.env_file import use_env_file

        (tmp_path / ".env").write_text("DATA_DIR=elsewhere\n")
        use_env_file(monkeypatch, tmp_path / ".env")
    data_folder.set_defaults()
    assert os.environ["DATA_DIR"] == ("elsewhere" if place == "environment" else "")
    assert os.environ["WEIGHTS_DIR"] == ""  # in a clone they stay in weights/fetched
    monkeypatch.setattr(data_folder, "ROOT", tmp_path)
    data_folder.set_defaults()
    assert os.environ["WEIGHTS_DIR"] == "elsewhere/weights"


def committed_files() -> set[str]:
    """Return the files that belong into the package, by their paths in it."""
    folders = ("models", "service", "workers", "standalone", "weights", "client/darkroom")
    found = {
        path.relative_to(ROOT).as_posix().removeprefix("client/")
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {name for name in found if not name.startswith("weights/fetched/")}


@pytest.mark.integration
def test_the_package_is_whole_and_its_command_starts_anywhere(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("models", "service", "workers", "standalone", "client", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    for path in (*ROOT.glob("requirements*.txt"), ROOT / "pyproject.toml", ROOT / "README.md"):
        (source / path.name).symlink_to(path)
    (source / "weights").mkdir()
    for path in (ROOT / "weights").iterdir():
        if path.is_file():
            small = source / "weights" / path.name
            # To compress the networks themselves takes a second.
            small.touch() if path.suffix in {".pb", ".onnx"} else small.symlink_to(path)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--no-compile", "--quiet")
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    installed = {
        path.relative_to(target).as_posix()
        for path in target.rglob("*")
        if path.is_file() and ".dist-info" not in str(path) and "__pycache__" not in path.parts
    }
    assert installed == committed_files() | {"bin/darkroom"}
    (metadata,) = target.glob("*.dist-info/METADATA")
    said = metadata.read_text()
    assert "Requires-Dist: aiohttp==" in said and "Requires-Dist: httpx==" in said
    assert "Requires-Dist: mcp==" in said and 'extra == "mcp"' in said

    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "cat.png").write_bytes(images.png(12, 8))
    done = subprocess.run(
        [target / "bin" / "darkroom", "thumbnail", "cat.png", "small.png", "--width", "6"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert images.decoded((tmp_path / "small.png").read_bytes()).size == (6, 4)
