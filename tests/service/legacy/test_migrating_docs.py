"""Runs every curl call of docs/migrating.md, and compares responses with those shown."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import zipfile
from typing import Any

import pytest
from PIL import Image

from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess

pytestmark = pytest.mark.integration

TEXT = (ROOT / "docs" / "migrating.md").read_text()


@pytest.fixture
def served(darkroom_with_files: StandaloneProcess) -> StandaloneProcess:
    return darkroom_with_files


def documented_calls(title: str) -> list[tuple[str, str]]:
    """Return (command, documented response) of each call in the section ``title``."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section is not None
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL):
        for call in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = call.partition("\n")
            found.append((command, answer.strip()))
    return found


class Session:
    """Runs calls in order; ``<name>`` is the value of that name in an earlier response."""

    def __init__(self, darkroom: StandaloneProcess) -> None:
        self._darkroom = darkroom
        self._values: dict[str, str] = {}
        self.folder = darkroom.data_dir.parent

    def run(self, command: str) -> str:
        line = command.replace("localhost:8080", f"127.0.0.1:{self._darkroom.port}")
        line = re.sub(r"<(\w+)>", lambda match: self._values[match[1]], line)
        arguments = shlex.split(line)
        assert arguments[0] == "curl"
        done = subprocess.run(
            ["curl", "-sS", "--fail-with-body", "--max-time", "60", *arguments[1:]],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}{done.stdout}"
        return done.stdout

    def json(self, command: str, until: Any = None) -> Any:
        """Run a call with a JSON response; repeat it until its ``status`` is ``until``."""
        while True:
            body = json.loads(self.run(command))
            self._values |= {k: v for k, v in body.items() if isinstance(v, str)}
            if until is None or body.get("status") == until:
                return body
            assert body["status"] not in {"SUCCESS", "FAILURE"}, body

    def run_section(self, title: str) -> list[Any]:
        """Run all calls of a section; compare JSON responses with those shown."""
        answers: list[Any] = []
        for command, shown in documented_calls(title):
            if not shown:
                answers.append(self.run(command))
                continue
            expected = json.loads(shown)
            began = expected.get("status") == "CREATED"  # it may have ended already
            body = self.json(command, None if began else expected.get("status"))
            assert list(body) == list(expected), command
            for name in ("submission_result", "total", "url", "images") if not began else ():
                assert body.get(name) == expected.get(name), command
            answers.append(body)
        return answers


def test_every_section_has_calls() -> None:
    titles = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    assert len(titles) == 5
    assert all(documented_calls(title) for title in titles)


def test_grayscale_converter(served: StandaloneProcess) -> None:
    session = Session(served)
    session.run_section("Grayscale converter")
    for name, kind in (("gray.png", "PNG"), ("gray.jpg", "JPEG")):
        with Image.open(session.folder / name) as picture:
            assert (picture.mode, picture.format) == ("L", kind)


def test_thumbnail_service(served: StandaloneProcess) -> None:
    session = Session(served)
    session.run_section("Thumbnail service")
    with Image.open(session.folder / "holiday-thumbnail-100x100.png") as picture:
        assert picture.size == (100, 60)


def test_json_batch_processor(served: StandaloneProcess) -> None:
    session = Session(served)
    output = session.run_section("JSON batch processor")[-1]
    for line in re.findall(r"^    (X-Darkroom-Skipped-\w+: [\d ]+)$", TEXT, re.MULTILINE):
        assert line in output
    out = session.folder / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        *(f"cat_{n}.png" for n in (1, 2, 3, 4)),
        "small.jpg",
    ]
    with Image.open(out / "small.jpg") as picture:
        assert picture.size == (21, 15) or picture.size == (20, 15)


def test_blur_service(served: StandaloneProcess) -> None:
    session = Session(served)
    session.run_section("Blur service")
    (archive,) = session.folder.glob("darkroom-*.zip")
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as opened:
        assert sorted(opened.namelist()) == ["cat-blur-s5.png", "dog-blur-s5.jpg"]

    def emails() -> list[str]:  # other tests send to other addresses
        found = (session.folder / "data" / "outbox").glob("*.eml")
        texts = [path.read_text() for path in found]
        return [text for text in texts if "\nTo: ada@example.org" in text]

    served.until(lambda: sum("application/zip" in text for text in emails()) == 1, "sent")
    served.until(lambda: any("subscribe" in text for text in emails()), "asked to confirm")


def test_upscaler(served: StandaloneProcess) -> None:
    session = Session(served)
    session.run_section("Upscaler")
    for name in ("big.png", "big-too.png"):
        with Image.open(session.folder / name) as picture:
            assert picture.size == (82, 60)
