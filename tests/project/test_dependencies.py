"""Dependencies are locked with hashes, all used, and under allowed licences."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.generate import licences, locks
from tests.support.paths import ROOT

SOURCES = {
    "run": ("requirements.txt",),
    "standalone": ("requirements.txt", "requirements-standalone.txt"),
    "mcp": ("requirements-mcp.txt",),
    "heic": ("requirements-heic.txt",),
    "dev": ("requirements-dev.txt",),
    "training": ("training/requirements.txt",),
}
PRODUCT_PACKAGES = ("models", "service", "workers", "standalone", "client")
LEFT_OUT = {"python-multipart"}
"""What a package names and `make lock` leaves out: see the Makefile."""


def requirements_in(path: Path) -> Iterator[Requirement]:
    """Yield the requirements of a file and of the files it includes."""
    for line in path.read_text().splitlines():
        said = line.partition(" #")[0].strip()
        if said.startswith("-r "):
            yield from requirements_in(path.parent / said.removeprefix("-r "))
        elif said and not said.startswith("#"):
            yield Requirement(said)


def requirements_of(lock: str) -> list[Requirement]:
    return [each for file in SOURCES[lock] for each in requirements_in(ROOT / file)]


def closure(requirements: list[Requirement], names: set[str]) -> set[str]:
    """Return these and their transitive requirements on this platform, by installed metadata."""
    found: set[str] = set()
    done: set[tuple[str, str]] = set()
    waiting = [(each, "") for each in requirements]
    while waiting:
        each, extra = waiting.pop()
        name = canonicalize_name(each.name)
        if name in LEFT_OUT or (each.marker and not each.marker.evaluate({"extra": extra})):
            continue
        assert name in names, f"{each} is not locked: run make lock"
        found.add(name)
        for wanted in ("", *each.extras):
            if (name, wanted) not in done:
                done.add((name, wanted))
                brings = importlib.metadata.requires(name) or []
                waiting += [(Requirement(line), wanted) for line in brings]
    return found


@pytest.mark.parametrize("lock", SOURCES)
def test_a_lock_pins_each_requirement_and_hashes_every_file(lock: str) -> None:
    locked = locks.read(lock)
    for each in requirements_of(lock):
        (pin,) = each.specifier
        found = locked.get(canonicalize_name(each.name))
        assert found, f"{each} is not in locks/{lock}.txt: run make lock"
        assert (pin.operator, pin.version) == ("==", found.version), "run make lock"
    for name, package in locked.items():
        assert package.hashes, name
        assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in package.hashes), name


@pytest.mark.parametrize("lock", ["run", "standalone", "mcp", "heic", "dev"])
def test_a_lock_holds_exactly_the_transitive_requirements(lock: str) -> None:
    locked = locks.read(lock)
    wanted = closure(requirements_of(lock), set(locked))
    surplus = {name for name, package in locked.items() if package.here} - wanted
    assert not surplus, "run make lock"


def test_the_locks_agree() -> None:
    everything = locks.read("dev")
    for lock in ("run", "standalone", "mcp", "heic", "training"):
        for name, package in locks.read(lock).items():
            other = everything.get(name, package)  # training has some of its own
            assert (package.version, package.hashes) == (other.version, other.hashes), name
    assert locks.read("run").keys() <= locks.read("standalone").keys() <= everything.keys()


def test_every_install_requires_hashes() -> None:
    setup = (ROOT / "standalone" / "setup.sh").read_text()
    installs = re.findall(r"pip install (?:.|\\\n)*?-r \S+", setup)
    assert ["--require-hashes" in each for each in installs] == [True, False]
    assert "training/torch.txt" in installs[1]  # see there why
    (line,) = re.findall(r"^RUN pip --python .*$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert "--require-hashes --only-binary :all: -r run.txt" in line
    for page in ROOT.rglob("*.md"):
        if ".venv" not in page.parts:
            for found in re.findall(r"pip install.*", page.read_text()):
                assert "-r requirements" not in found, page


@pytest.mark.integration
def test_the_image_has_a_wheel_of_each_package_for_arm64(tmp_path: Path) -> None:
    """By the command of docs/deployment.md, which asks the package index."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    shown = page.partition("$ .venv/bin/python -m uv pip install --dry-run ")[2].partition("```")[0]
    options, _, would = shown.strip().replace("\\\n", " ").partition("\n")
    options = options.replace("locks/", f"{ROOT}/locks/")
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--dry-run", *options.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    if done.returncode and "No solution found" not in done.stderr:
        pytest.skip(f"the package index does not answer: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    assert would in done.stderr.splitlines()


@pytest.mark.integration
def test_a_changed_file_is_not_installed(tmp_path: Path) -> None:
    """pip refuses a wheel with the locked name and version but other bytes."""
    wheel = tmp_path / "motor-3.7.1-py3-none-any.whl"
    wheel.write_bytes(b"PK\x05\x06" + bytes(18))  # an empty archive
    pinned = "motor==3.7.1" + "".join(
        f" --hash=sha256:{digest}" for digest in locks.read("run")["motor"].hashes
    )
    (tmp_path / "lock.txt").write_text(pinned)
    install = ("install", "--no-index", "--no-deps", "--require-hashes", "--only-binary", ":all:")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", *install),
            *("--find-links", str(tmp_path), "--target", str(tmp_path / "to")),
            *("-r", str(tmp_path / "lock.txt")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "to" / "motor").exists()


@pytest.mark.parametrize(
    ("packages", "requirements"),
    [
        (
            PRODUCT_PACKAGES,
            (
                "requirements.txt",
                "requirements-standalone.txt",
                "requirements-mcp.txt",
                "requirements-heic.txt",
            ),
        ),
        (
            (*PRODUCT_PACKAGES, "tests", "bench", "docs", "training"),
            ("requirements-dev.txt", "training/requirements.txt", "training/torch.txt"),
        ),
    ],
    ids=["product", "all"],
)
@pytest.mark.integration
def test_every_requirement_is_imported_and_every_import_required(
    packages: tuple[str, ...], requirements: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deptry", *packages, "--no-ansi", "--config", "deptry.toml"),
            *("-rf", ",".join(requirements)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.integration
def test_deptry_finds_a_missing_and_an_unused_requirement(tmp_path: Path) -> None:
    """The check above reports a missing and an unused requirement."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "noun.py").write_text("import yarl\n")
    (tmp_path / "requirements.txt").write_text("arq==0.28.0\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deptry", "room", "--no-ansi"),
            *("--config", str(ROOT / "deptry.toml"), "-rf", "requirements.txt"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DEP003 'yarl'" in done.stderr
    assert "DEP002 'arq'" in done.stderr


@cache
def installed_licences() -> dict[str, set[str]]:
    return licences.licences()


@pytest.mark.integration
def test_every_licence_is_allowed() -> None:
    known = installed_licences()
    for lock in ("run", "standalone", "mcp", "dev"):
        for name, package in locks.read(lock).items():
            if package.here:
                assert known[name], name
                allowed = licences.ALLOWED | licences.ALLOWED_AS_PROGRAMS.get(name, set())
                assert known[name] <= allowed, f"{name}: {known[name] - allowed}"


@pytest.mark.integration
def test_the_committed_licences_are_what_the_generator_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = installed_licences()
    monkeypatch.setattr(licences, "licences", lambda: known)
    assert (ROOT / "docs" / "licences.md").read_text() == licences.page(), "run python -m docs"
