"""Download networks from a real HTTP server that misbehaves."""

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

pytestmark = pytest.mark.integration

BODY = bytes(range(256)) * 1000
QUICK = DownloadPolicy(timeout_seconds=60, max_attempts=3, pause_seconds=0.01)


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY under any path; ``plan`` has the faults of the next requests, in order."""

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
        requested = self.headers.get("Range")
        self.server.ranges.append(requested)
        fault = self.server.plan.pop(0) if self.server.plan else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        start = int(requested.split("=")[1].rstrip("-")) if requested and fault != "whole" else 0
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
            self.rfile.read(1)  # until the client is gone


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
    shares: list[float] = []
    return fetch(network, folder, shares.append, QUICK), shares


def test_download_is_checked_and_not_repeated(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    downloaded, shares = get(network, tmp_path)
    assert downloaded and shares == sorted(shares) and shares[-1] == 1
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY
    assert get(network, tmp_path) == (False, [])
    assert server.ranges == [None]
    assert [p.name for p in tmp_path.iterdir()] == ["net_x2.pb"]


def test_partial_download_is_resumed(server: Server, network: Weights, tmp_path: Path) -> None:
    (tmp_path / "net_x2.pb.part").write_bytes(BODY[:1000])
    server.plan = ["redirect"]  # as GitHub does
    assert get(network, tmp_path)[0]
    assert server.ranges == ["bytes=1000-"] * 2
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY


@pytest.mark.parametrize("fault", ["whole", "shifted", "416"])
def test_server_without_ranges_starts_over(
    server: Server, network: Weights, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "net_x2.pb.part").write_bytes(b"x" * 1000)
    server.plan = [fault]
    if fault == "shifted":  # a wrong Content-Range: starts over, gets too few bytes, fails
        with pytest.raises(DownloadError):
            get(network, tmp_path)
        return
    assert get(network, tmp_path)[0]
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY


def test_complete_or_too_long_partial_download(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    part = tmp_path / "net_x2.pb.part"
    part.write_bytes(BODY)
    assert get(network, tmp_path)[0]
    assert server.ranges == []
    (tmp_path / "net_x2.pb").unlink()
    part.write_bytes(BODY + b"more")
    assert get(network, tmp_path)[0]
    assert server.ranges == [None]


def test_broken_connections_and_server_errors_are_retried(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    server.plan = ["cut", "503"]
    assert get(network, tmp_path)[0]
    assert server.ranges == [None, f"bytes={len(BODY) // 2}-", f"bytes={len(BODY) // 2}-"]
    assert (tmp_path / "net_x2.pb").read_bytes() == BODY


def test_partial_file_remains_after_the_last_attempt(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    server.plan = ["cut", "cut", "cut"]
    with pytest.raises(DownloadError, match="connection lost"):
        get(network, tmp_path)
    (part,) = tmp_path.iterdir()
    assert BODY.startswith(part.read_bytes()) and part.stat().st_size > len(BODY) / 2
    assert get(network, tmp_path)[0]


@pytest.mark.parametrize(("plan", "requests"), [(["404"], 1), (["500"] * 3, 3)])
def test_client_errors_are_not_retried_and_server_errors_are(
    server: Server, network: Weights, tmp_path: Path, plan: list[str], requests: int
) -> None:
    server.plan = list(plan)
    with pytest.raises(DownloadError, match=f"HTTP {plan[0]}"):
        get(network, tmp_path)
    assert len(server.ranges) == requests
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [(BODY[:-1] + b"!", "is a different file"), (BODY + b"!", "is longer than 256000 bytes")],
)
def test_wrong_content_is_deleted(
    server: Server, network: Weights, tmp_path: Path, body: bytes, sentence: str
) -> None:
    server.body = body
    with pytest.raises(DownloadError, match=sentence):
        get(network, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_different_file_with_the_same_name_is_left_alone(
    server: Server, network: Weights, tmp_path: Path
) -> None:
    (tmp_path / "net_x2.pb").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="a different file with this name"):
        get(network, tmp_path)
    assert (tmp_path / "net_x2.pb").read_bytes() == b"mine"


def test_refused_connection_and_other_schemes(network: Weights, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused"):
        get(replace(network, url="http://127.0.0.1:1/x"), tmp_path)
    with pytest.raises(DownloadError, match="not an HTTP address"):
        get(replace(network, url="file:///etc/hostname"), tmp_path)


def test_manifest_lists_every_published_network() -> None:
    fetched = [weights for weights in published_networks() if weights.url]
    assert len(fetched) == 15
    for weights in fetched:
        assert weights.url.startswith("https://github.com/")
        assert weights.url.endswith("/" + weights.file)
        assert weights.bytes > 9000


def test_manifest_matches_the_files(shared: Path) -> None:
    sums = (shared / "weights/SHA256SUMS").read_text()
    for weights in (
        w for w in published_networks() if w.url and w.name != "EDSR"
    ):  # not in ../shared
        assert f"{weights.sha256}  {weights.file}" in sums
        assert (shared / "weights" / weights.file).stat().st_size == weights.bytes


def test_interrupted_download_is_resumed(server: Server, shared: Path, tmp_path: Path) -> None:
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
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, b"")
    assert [path.name for path in tmp_path.iterdir()] == [part.name]
    known = next(weights for weights in published_networks() if weights.file == "FSRCNN_x2.pb")
    local = replace(known, url=f"{server.url}/FSRCNN_x2.pb")
    fetch(local, tmp_path, lambda share: None, QUICK)
    assert (tmp_path / "FSRCNN_x2.pb").read_bytes() == server.body


def test_command_downloads_and_reports(
    server: Server,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "new"))
    server.body = (shared / "weights/FSRCNN-small_x2.pb").read_bytes()
    assert main(["FSRCNN-small", "--mirror", server.url + "/"], QUICK) == 1
    captured = capsys.readouterr()
    assert "1 downloaded, 0 already present, 2 failed" in captured.out
    assert [line.split(": ")[1] for line in captured.err.splitlines()] == [
        "FSRCNN-small_x3.pb",
        "FSRCNN-small_x4.pb",
    ]
    assert [p.name for p in (tmp_path / "new").glob("*.pb")] == ["FSRCNN-small_x2.pb"]
    assert {w.name for w in Catalogue.read(Settings().networks.networks_dir).available()} == {
        "darkroom-photo",
        "darkroom-fast",
        "darkroom-balanced",
        "darkroom-best",
        "FSRCNN-small",
    }
    assert main(["Nonsense"], QUICK) == 2
    assert "known: FSRCNN, FSRCNN-small, ESPCN, LapSRN" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "file"))
    assert main(["FSRCNN", "--mirror", server.url], QUICK) == 1
    assert "File exists" in capsys.readouterr().err
