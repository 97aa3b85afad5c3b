"""System calls allowed by argument, and inherited descriptors, tried from inside a child."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

from tests.workers.sandbox.test_sandbox import has_layer, probe, started

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="layers of Linux"),
]
needs_calls = pytest.mark.skipif(not has_layer("calls"), reason="no seccomp here")

EPERM = "refused: Operation not permitted"


@pytest.fixture(autouse=True)
def _probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.sandbox_probe")


@needs_calls
@pytest.mark.parametrize("language", ["C", "lacks-truncate"])
async def test_read_only_files_cannot_be_truncated(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 6.2 Landlock does not control truncation: O_RDONLY | O_TRUNC needs no right."""
    monkeypatch.setenv("LANG", language)
    weights = tmp_path / "weights"
    weights.mkdir()
    network = weights / "network.pb"
    network.write_bytes(b"a network")
    async with started(weights_dir=weights) as children:
        assert await probe(children, tmp_path, "read", str(network)) == "done: a network"
        for name in ("empty", "empty by open", "access mode 3", "access mode 3 by open", "openat2"):
            assert await probe(children, tmp_path, name, str(network)) == EPERM, name
        assert network.read_bytes() == b"a network"
        assert await probe(children, tmp_path, "write", "OWN/mine") == "done: 4"


@needs_calls
async def test_unnamed_files_and_deletion_are_refused(tmp_path: Path) -> None:
    """The disk quota would not see such files."""
    async with started() as children:
        for name, path in (("unnamed file", "OWN"), ("delete", "OWN/original")):
            assert await probe(children, tmp_path, name, path) == EPERM, name
        assert await probe(children, tmp_path, "rename", "OWN/original") == EPERM


@needs_calls
async def test_affinity_of_other_processes_is_refused(tmp_path: Path) -> None:
    async with started() as children:
        (pid,) = children.pids
        for other in (os.getpid(), 1, pid):
            assert await probe(children, tmp_path, "affinity", str(other)) == EPERM
        assert await probe(children, tmp_path, "affinity", "0") == "done: None"


@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_stderr_of_a_child_is_not_the_workers(sandbox: str, tmp_path: Path) -> None:
    """Even without a sandbox a child cannot truncate the log, read keys or block the worker."""
    log = tmp_path / "log"
    log.write_text("what was logged\n")
    kept = os.dup(2)
    file = os.open(log, os.O_RDWR)
    try:
        os.dup2(file, 2)
        async with started(child_sandbox=sandbox) as children:
            assert await probe(children, tmp_path, "read 2") == "refused: Bad file descriptor"
            assert await probe(children, tmp_path, "empty 2") == "refused: Invalid argument"
            await probe(children, tmp_path, "write stderr", '{"event": "forged"}\n')
            await probe(children, tmp_path, "unblock 2")
            assert not fcntl.fcntl(file, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(file)
    assert log.read_text().startswith("what was logged\n")
    assert '\n{"event": "forged"}' not in log.read_text()
