"""What the sandbox lists: paths that a child may read, and system calls by their numbers."""

from __future__ import annotations

import platform
import re
import sysconfig
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from workers.sandbox import readable_paths, syscall_table


def test_env_and_data_are_not_readable() -> None:
    allowed = [
        path.resolve()
        for path in (*readable_paths.folders(ROOT / "weights"), *readable_paths.files())
    ]
    for hidden in (ROOT / ".env", ROOT / "data", Path.home() / ".ssh", Path("/etc/shadow")):
        assert not [path for path in allowed if hidden.resolve().is_relative_to(path)], hidden


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_syscall_numbers_match_the_kernel_headers(
    machine: str, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path(header).exists():
        pytest.skip(f"needs {header}")
    text = Path(header).read_text()
    known = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+) (\d+)", text)}
    for name, other in re.findall(r"#define __NR_(\w+) __NR3264_(\w+)", text):
        known.setdefault(name, known.get(other, -1))
    known.setdefault("newfstatat", known.get("fstatat", -1))
    monkeypatch.setattr(platform, "machine", lambda: machine)
    listed = {**syscall_table.argument_checked()}
    for part in syscall_table._ALLOWED.values():
        listed |= syscall_table._numbers(part)
    assert listed == {name: known[name] for name in listed}
    for name in (
        "socket",
        "execve",
        "ptrace",
        "io_uring_setup",
        "bpf",
        "mount",
        "process_vm_readv",
    ):
        assert known[name] not in syscall_table.allowed()


def test_unlisted_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="system calls of riscv64 are not listed"):
        syscall_table.audit_arch()


def test_an_installed_darkroom_reads_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed, its root is the folder of all packages; in a clone it is not read."""
    packages = Path(sysconfig.get_path("purelib")).resolve()
    monkeypatch.setattr("sys.path", [str(packages), str(ROOT)])
    assert ROOT not in readable_paths.folders(ROOT / "weights")
    monkeypatch.setattr(readable_paths, "ROOT", packages)
    assert packages in readable_paths.folders(ROOT / "weights")
