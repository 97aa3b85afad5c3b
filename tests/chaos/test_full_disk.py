"""A full disk ends in read-only: mongod starts again, results are served and deleted, none lost."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import images
from tests.support.standalone_process import StandaloneProcess

pytestmark = pytest.mark.integration

MB = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until its disk is full, to the last byte."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(MB))
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))


def test_full_disk_ends_in_read_only(small_disk: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(images.png())
    other = tmp_path / "b.png"
    other.write_bytes(images.png(seed=1))
    data = small_disk / "data"
    with StandaloneProcess(data, MIN_FREE_DISK_BYTES=str(80 * MB)) as darkroom:
        first = darkroom.upload(picture, "?wait=60")
        assert first["status"] == "SUCCESS"
        url = first["results"][0]["url"]
        darkroom.until((data / "mongo" / "disk-reserve").exists, "reserved")

        fill(small_disk / "filler")
        before = darkroom.kill("mongo")
        darkroom.until(lambda: darkroom.get(url)[0] == 200, "serving")
        assert darkroom.pid("mongo") != before
        assert not (data / "mongo" / "disk-reserve").exists()
        refused = darkroom.upload(other)
        assert (refused["code"], refused["setting"]) == ("no_room", "MIN_FREE_DISK_BYTES")
        status, _ = darkroom.get(f"/tasks/{first['task_id']}")
        assert status == 200
        answer = darkroom.curl("-X", "DELETE", "-w", "%{http_code}", f"{darkroom.url}{url}")
        assert answer == "204"

        (small_disk / "filler").unlink()
        darkroom.until(lambda: "code" not in darkroom.upload(other), "accepting uploads")
        done = darkroom.upload(other, "?wait=60")
        assert done["status"] == "SUCCESS", json.dumps(done)
