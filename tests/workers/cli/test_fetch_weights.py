"""Fetching networks from a real HTTP server that misbehaves, and adding one's own."""

from __future__ import annotations

import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.networks.catalogue import Catalogue, Weights, published_networks
from models.settings import Settings
from tests.support.paths import ROOT
from workers.cli.fetch_weights import DownloadError, DownloadPolicy, fetch, main

BODY = bytes(range(256)) * 1000
QUICK = DownloadPolicy(timeout_seconds=5, max_attempts=3, pause_seconds=0.01)


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY under any path; ``plan`` says how each request in turn goes wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.plan: list[str] = []
        self.ranges: list[str | None] = []
        self.stalled = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its name in the library
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        fault = self.server.plan.pop(0) if self.server.plan else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        start = int(asked.split("=")[1].rstrip("-")) if asked and fault != "whole" else 0
        data = self.server.body[start:]
        self.send_response(206 if start else 200)
        if start:
            shown = start + 1 if fault == "shifted" else start
            end = len(self.server.body)
            self.send_header("Content-Range", f"bytes {shown}-{end - 1}/{end}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault in {"cut", "stall"} else data)
        if fault == "stall":
            self.wfile.flush()
            self.server.stalled.set()
            self.rfile.read(1)  # until whoever asked is gone


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield started
        started.shutdown()


@pytest.fixture
def network(server: Server) -> Weights:
    sha256 = hashlib.sha256(BODY).hexdigest()
    return Weights("Net", "espcn", 2, "net_x2.pb", sha256, 4, url=server.url, bytes=len(BODY))


def get(network: Weights, folder: Path) -> tuple[bool, list[float]]:
    told: list[float] = []
    return fetch(network, folder, told.append, QUICK), told


def test_fetched_checked_and_left(server: Server, network: Weights, tmp_path: Path) -> None:
    new, told = get(network, tmp_path)
    assert new and told == sorted(told) and told[-1] == 1
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY
    assert get(network, tmp_path) == (False, [])
    assert server.ranges == [None]
    assert [p.name for p in tmp_path.iterdir()] == ["net_x2.pb"]


def test_a_part_is_continued(server: Server, network: Weights, tmp_path: Path) -> None:
    (tmp_path / "net_x2.pb.part").write_bytes(BODY[:1000])
    server.plan = ["redirect"]  # as GitHub does
    assert get(network, tmp_path)[0]
    assert server.ranges == ["bytes=1000-"] * 2
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY


@pytest.mark.parametrize("fault", ["whole", "shifted", "416"])
def test_a_server_without_ranges(
    server: Server, network: Weights, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "net_x2.pb.part").write_bytes(b"x" * 1000)
    server.plan = [fault]
    if fault == "shifted":  # starts over from what it has none of, fails the size, tries again
        with pytest.raises(DownloadError):
            get(network, tmp_path)
        return
    assert get(network, tmp_path)[0]
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY


def test_a_part_that_is_whole_or_too_long(server: Server, network: Weights, tmp_path: Path) -> None:
    part = tmp_path / "net_x2.pb.part"
    part.write_bytes(BODY)
    assert get(network, tmp_path)[0]
    assert server.ranges == []
    (tmp_path / "net_x2.pb").unlink()
    part.write_bytes(BODY + b"more")
    assert get(network, tmp_path)[0]
    assert server.ranges == [None]


def test_broken_connections_and_server_errors_are_tried_again(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    server.plan = ["cut", "503"]
    assert get(network, tmp_path)[0]
    assert server.ranges == [None, f"bytes={len(BODY) // 2}-", f"bytes={len(BODY) // 2}-"]
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY


def test_after_the_last_try_the_part_stays_for_the_next_time(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    server.plan = ["cut", "cut", "cut"]
    with pytest.raises(DownloadError, match="the connection broke"):
        get(network, tmp_path)
    (part,) = tmp_path.iterdir()
    assert BODY.startswith(part.read_bytes()) and part.stat().st_size > len(BODY) / 2
    assert get(network, tmp_path)[0]


@pytest.mark.parametrize(("plan", "asked"), [(["404"], 1), (["500"] * 3, 3)])
def test_refusals(
    server: Server, network: Weights, tmp_path: Path, plan: list[str], asked: int
) -> None:
    server.plan = list(plan)
    with pytest.raises(DownloadError, match=f"the server answers {plan[0]}"):
        get(network, tmp_path)
    assert len(server.ranges) == asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [(BODY[:-1] + b"!", "is another file"), (BODY + b"!", "is longer than 256000 bytes")],
)
def test_what_is_not_meant_is_not_kept(
    server: Server, network: Weights, tmp_path: Path, body: bytes, sentence: str
) -> None:
    server.body = body
    with pytest.raises(DownloadError, match=sentence):
        get(network, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_of_that_name_is_left(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    (tmp_path / "net_x2.pb").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="another file of that name"):
        get(network, tmp_path)
    assert (tmp_path / "net_x2.pb").read_bytes() == b"mine"


def test_nobody_there(network: Weights, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused"):
        get(replace(network, url="http://127.0.0.1:1/x"), tmp_path)
    with pytest.raises(DownloadError, match="no http address"):
        get(replace(network, url="file:///etc/hostname"), tmp_path)


def test_the_list_is_complete() -> None:
    fetched = [weights for weights in published_networks() if weights.url]
    assert len(fetched) == 15
    for weights in fetched:
        assert weights.url.startswith("https://github.com/")
        assert weights.url.endswith("/" + weights.file)
        assert weights.bytes > 9000


def test_the_list_against_the_files(shared: Path) -> None:
    sums = (shared / "weights/SHA256SUMS").read_text()
    for weights in (w for w in published_networks() if w.url and w.name != "EDSR"):  # not at hand
        assert f"{weights.sha256}  {weights.file}" in sums
        assert (shared / "weights" / weights.file).stat().st_size == weights.bytes


def test_ctrl_c_keeps_what_came_for_the_next_time(
    server: Server, shared: Path, tmp_path: Path
) -> None:
    server.body = (shared / "weights/FSRCNN_x2.pb").read_bytes()
    server.plan = ["stall"]
    program = [sys.executable, "-m", "workers.cli.fetch_weights", "FSRCNN", "--mirror", server.url]
    environment = {**os.environ, "WEIGHTS_DIR": str(tmp_path)}
    with subprocess.Popen(program, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        assert server.stalled.wait(30)
        part = tmp_path / "FSRCNN_x2.pb.part"
        deadline = time.monotonic() + 30
        while not part.exists():  # the server has sent it; the command may not have read it
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"")
    assert [path.name for path in tmp_path.iterdir()] == [part.name]
    known = next(weights for weights in published_networks() if weights.file == "FSRCNN_x2.pb")
    here = replace(known, url=f"{server.url}/FSRCNN_x2.pb")
    fetch(here, tmp_path, lambda share: None, QUICK)
    assert (tmp_path / "FSRCNN_x2.pb").read_bytes() == server.body


def test_the_command(
    server: Server,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "new"))
    server.body = (shared / "weights/FSRCNN-small_x2.pb").read_bytes()
    assert main(["FSRCNN-small", "--mirror", server.url + "/"], QUICK) == 1
    said = capsys.readouterr()
    assert "1 fetched, 0 there already, 2 failed" in said.out
    assert [line.split(": ")[1] for line in said.err.splitlines()] == [
        "FSRCNN-small_x3.pb",
        "FSRCNN-small_x4.pb",
    ]
    assert [p.name for p in (tmp_path / "new").glob("*.pb")] == ["FSRCNN-small_x2.pb"]
    assert {w.name for w in Catalogue.read(Settings().networks_dir).available()} == {
        "darkroom-fast",
        "darkroom-balanced",
        "darkroom-best",
        "FSRCNN-small",
    }
    assert main(["Nonsense"], QUICK) == 2
    assert "known are FSRCNN, FSRCNN-small, ESPCN, LapSRN" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "file"))
    assert main(["FSRCNN", "--mirror", server.url], QUICK) == 1
    assert "File exists" in capsys.readouterr().err
