"""Calls that a child may make with some arguments only, and what it inherits; from inside one."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

from tests.workers.sandbox.test_sandbox import holds, probe, started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="layers of Linux")
needs_calls = pytest.mark.skipif(not holds("calls"), reason="no seccomp here")

EPERM = "refused: Operation not permitted"


@pytest.fixture(autouse=True)
def _probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.child.process._PROGRAM", "tests.support.sandbox_probe")


@needs_calls
@pytest.mark.parametrize("language", ["C", "lacks-truncate"])
async def test_what_it_may_only_read_it_does_not_empty(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 6.2 Landlock knows no emptying, and O_RDONLY | O_TRUNC needs no right."""
    monkeypatch.setenv("LANG", language)
    weights = tmp_path / "weights"
    weights.mkdir()
    network = weights / "network.pb"
    network.write_bytes(b"a network")
    async with started(weights_dir=weights) as children:
        assert await probe(children, tmp_path, "read", str(network)) == "done: a network"
        for what in ("empty", "empty by open", "neither", "neither, by open", "openat2"):
            assert await probe(children, tmp_path, what, str(network)) == EPERM, what
        assert network.read_bytes() == b"a network"
        assert await probe(children, tmp_path, "write", "OWN/mine") == "done: 4"


@needs_calls
async def test_it_has_no_file_without_a_name(tmp_path: Path) -> None:
    """Whoever counts what lies in its folder would not see it."""
    async with started() as children:
        for what, path in (("nameless", "OWN"), ("delete", "OWN/original")):
            assert await probe(children, tmp_path, what, path) == EPERM, what
        assert await probe(children, tmp_path, "rename", "OWN/original") == EPERM


@needs_calls
async def test_no_other_process_is_sent_to_other_cores(tmp_path: Path) -> None:
    async with started() as children:
        (pid,) = children.pids
        for other in (os.getpid(), 1, pid):
            assert await probe(children, tmp_path, "affinity", str(other)) == EPERM
        assert await probe(children, tmp_path, "affinity", "0") == "done: None"


@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_its_standard_error_is_not_the_workers(sandbox: str, tmp_path: Path) -> None:
    """Even one that no kernel confines empties no log, reads no keys, stops nobody's writing."""
    log = tmp_path / "log"
    log.write_text("what was logged\n")
    kept = os.dup(2)
    file = os.open(log, os.O_RDWR)
    try:
        os.dup2(file, 2)
        async with started(child_sandbox=sandbox) as children:
            assert await probe(children, tmp_path, "read 2") == "refused: Bad file descriptor"
            assert await probe(children, tmp_path, "empty 2") == "refused: Invalid argument"
            await probe(children, tmp_path, "say", '{"event": "forged"}\n')
            await probe(children, tmp_path, "do not wait at 2")
            assert not fcntl.fcntl(file, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(file)
    assert log.read_text().startswith("what was logged\n")
    assert '\n{"event": "forged"}' not in log.read_text()
