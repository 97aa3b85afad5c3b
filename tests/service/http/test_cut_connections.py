"""Clients that cut their connection: each is one short line of the log, whatever it cut."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import images
from tests.support.standalone_process import StandaloneProcess

CUTS = 30


@pytest.fixture(scope="module")
def paths(darkroom: StandaloneProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of a result and an archive that fill all buffers, and of a task that waits long."""
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1500, 3), np.uint8)
    picture = tmp_path_factory.mktemp("cut") / "noise.png"
    picture.write_bytes(images.encoded(Image.fromarray(noise), compress_level=0))
    image, url = f"image=@{picture}", darkroom.url
    group = json.loads(darkroom.curl("-F", image, "-F", image, f"{url}/grayscale"))
    archive = f"/status/{group['group_id']}"
    assert darkroom.get(f"{archive}?wait=60")[0] == 200
    task = json.loads(darkroom.curl("-F", image, f"{url}/grayscale?wait=60"))
    slow = json.loads(darkroom.curl("-F", image, "-F", "scale=4", f"{url}/upscale"))["task_id"]
    return {
        "download": task["url"],
        "archive": f"{archive}/archive",
        "events": f"/tasks/{slow}/events",
    }


@pytest.mark.parametrize("what", ["download", "archive", "events"])
def test_cut_connection_is_a_line_without_a_traceback(
    darkroom: StandaloneProcess, paths: dict[str, str], what: str
) -> None:
    before = darkroom.log.stat().st_size
    for number in range(CUTS):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", darkroom.port))
            client.sendall(f"GET {paths[what]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(1000)
            if number % 2:  # reset; else the end of the stream
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def lines() -> list[dict[str, Any]]:
        text = darkroom.log.read_bytes()[before:].decode()
        whole = [json.loads(line) for line in text.split("\n")[:-1]]
        return [line for line in whole if line["program"] == "service"]

    def requests() -> int:
        return sum(line["event"] == "request" and line["path"] in paths[what] for line in lines())

    darkroom.until(lambda: requests() == CUTS, "logged")
    assert {line["level"] for line in lines()} == {"info"}
    assert max(len(json.dumps(line)) for line in lines()) < 500
