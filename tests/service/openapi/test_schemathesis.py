"""schemathesis holds the running service, worker and stores to its own OpenAPI document.

It makes requests from the document, valid and invalid ones, one by one and along the links: no
answer is a defect (5xx), and status, media type, headers and body are those of the document; what
violates it is refused, and methods that are not in it are answered with 405 and Allow.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import House

TOKEN = "0123456789abcdef"
CASES = 6  # of each operation and kind, beside those that cover its schema


@pytest.fixture
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house that lets nobody wait for long, with a folder for POST /items/."""
    folder = tmp_path_factory.mktemp("hurried")
    (folder / "images").mkdir()
    (folder / "images" / "cat.png").write_bytes(images.png())
    settings = {
        "IMAGES_ROOT": str(folder / "images"),
        "MAX_WAIT": "0.05",
        "SYNC_TIMEOUT": "0.5",
        "ITEMS_TIMEOUT": "0.5",
        "MAX_OUTPUT_PIXELS": "1000000",  # what is enlarged a thousand times is refused at once
        "NEWSLETTER_WEEKDAY": "off",
        "EVENTS_SECONDS": "0.2",
        "ADMIN_TOKEN": TOKEN,
        "ADMIN_LOGINS": "1000000",  # wrong tokens are part of the checks
        "ADMIN_LOGINS_TOTAL": "1000000",
    }
    with House(folder / "data", **settings) as started:
        yield started


@pytest.mark.timeout(600)
def test_the_service_keeps_to_its_document(hurried: House, tmp_path: Path) -> None:
    config = ROOT / "tests" / "schemathesis.toml"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = ["--checks", "all", "--max-examples", str(CASES), "--seed", "1", "--no-color"]
    options += ["--header", f"Authorization: Bearer {TOKEN}"]
    done = subprocess.run(
        [*command, *options, f"{hurried.url}/openapi.json"],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,  # where it leaves what it remembers
        capture_output=True,
        text=True,
        errors="replace",
        timeout=500,
        check=False,
    )
    said = "\n".join(ascii(line)[1:400] for line in done.stdout.splitlines())
    assert done.returncode == 0, said[-20_000:] + done.stderr[-2000:]
    phases = said.partition("Test Phases")[2].partition("Test cases")[0]
    assert "Stateful" in phases and "skipped" not in phases
