"""Results on the disk: continued, compared, whole or absent, and in their folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from darkroom.client.documents import Group, Result, read_task
from darkroom.client.downloads import download, download_archive, read, safe_name
from darkroom.client.errors import BadAnswer
from darkroom.client.steps import Answer, Call, Flow, Lost, Outcome, Pause

DATA = bytes(range(256)) * 10
DIGEST = hashlib.sha256(DATA).hexdigest()


def result(name: str = "cat-x2.png", data: bytes = DATA) -> Result:
    digest = hashlib.sha256(data).hexdigest()
    return Result(name, f"/processed/{name}", 1, 1, "png", len(data), digest, ())


T = TypeVar("T")
Serve = Callable[[Call], Outcome]


def drive(flow: Flow[T], serve: Serve) -> T:
    outcome: Outcome = None
    try:
        while True:
            step = flow.send(outcome)
            assert isinstance(step, Call | Pause)
            outcome = None if isinstance(step, Pause) else serve(step)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        flow.close()


def body(call: Call, status: int, data: bytes, headers: Mapping[str, str] = {}) -> Answer:
    assert call.sink is not None
    call.sink.begin(status, headers)
    call.sink.write(data)
    return Answer(status, headers)


class Server:
    """Serves ``DATA``, cut off after ``cut`` bytes at first; understands ranges if ``ranges``."""

    def __init__(self, cut: int = 0, *, ranges: bool = True) -> None:
        self.cut, self.ranges = cut, ranges
        self.asked: list[str] = []

    def __call__(self, call: Call) -> Outcome:
        asked = call.headers.get("Range", "")
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if self.ranges else 0
        if start:
            assert call.headers["If-Range"] == f'"{DIGEST}"'
        end, self.cut = self.cut or len(DATA), 0
        status = 206 if start else 200
        answer = body(call, status, DATA[start:end], {"content-range": f"bytes {start}-9/9"})
        return Lost("reset") if end < len(DATA) else answer


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(tmp_path: Path, ranges: bool) -> None:
    server = Server(1000, ranges=ranges)
    path = drive(download(result(), tmp_path, 60), server)
    assert path == tmp_path / "cat-x2.png" and path.read_bytes() == DATA
    assert server.asked == ["", "bytes=1000-"]
    assert list(tmp_path.iterdir()) == [path]


def test_another_run_goes_on_where_the_last_one_was_stopped(tmp_path: Path) -> None:
    def stopped(call: Call) -> Outcome:
        body(call, 200, DATA[:700])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(download(result(), tmp_path, 60), stopped)
    assert not (tmp_path / "cat-x2.png").exists()
    server = Server()
    assert drive(download(result(), tmp_path, 60), server).read_bytes() == DATA
    assert server.asked == ["bytes=700-"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    target = tmp_path / "out" / "mine.png"
    server = Server()
    assert drive(download(result(), target, 60), server) == target
    assert drive(download(result(), target, 60), server) == target
    assert server.asked == [""]
    target.write_bytes(b"other bytes")
    assert drive(download(result(), target, 60), server).read_bytes() == DATA


@pytest.mark.parametrize(
    ("status", "data", "said"),
    [
        (200, DATA[::-1], "SHA-256"),
        (200, DATA + b"x", "longer than"),
        (200, DATA[:-1], "2559 bytes"),
        (206, DATA, "from byte 0"),
    ],
)
def test_other_bytes_than_announced_are_refused(
    tmp_path: Path, status: int, data: bytes, said: str
) -> None:
    headers = {"content-range": "bytes 5-"} if status == 206 else {}
    with pytest.raises(BadAnswer, match=said):
        drive(download(result(), tmp_path, 60), lambda call: body(call, status, data, headers))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadAnswer, match=said):
        drive(read(result(), 60), lambda call: body(call, status, data, headers))


def test_an_archive_is_no_longer_than_its_results(tmp_path: Path) -> None:
    task = read_task(
        {"task_id": "1", "group_id": "2", "status": "SUCCESS", "progress": 100, "name": "cat.png"}
        | {"eta_seconds": 0, "error": None, "results": []}
    )
    tasks = (replace(task, results=(result(),)),)
    group = Group("2", "SUCCESS", 1, 1, 0, 100, 0, "/status/2/archive", tasks, {})
    target, most = tmp_path / "all.zip", len(DATA) + 3 * 4096

    def fetch(size: int) -> None:
        sent = download_archive(group, target, 60)
        drive(sent, lambda call: body(call, 200, bytes(size)))

    with pytest.raises(BadAnswer, match=f"longer than {most} bytes"):
        fetch(most + 1)
    assert list(tmp_path.iterdir()) == []
    fetch(most)
    assert target.stat().st_size == most


def test_read() -> None:
    assert drive(read(result(), 60), Server(99)) == DATA


@pytest.mark.parametrize(
    "name", ["../cat.png", "/etc/passwd", "a\\b.png", ".bashrc", "", "..", "a\nb.png", "a\0b"]
)
def test_a_name_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadAnswer, match="no name of a file"):
        safe_name(name)
    with pytest.raises(BadAnswer):
        drive(download(result(name), tmp_path, 60), Server())


def test_no_link_is_followed(tmp_path: Path) -> None:
    """In a folder of several users, the name of the growing file may be a link of another."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "out"
    folder.mkdir()

    def stopped(call: Call) -> Outcome:
        body(call, 200, DATA[:1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(download(result(), folder, 60), stopped)
    (part,) = folder.iterdir()
    part.unlink()
    part.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        drive(download(result(), folder, 60), Server())
    assert victim.read_text() == "precious"
