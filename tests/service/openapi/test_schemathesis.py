"""schemathesis tests the running service against its own OpenAPI document.

It makes valid and invalid requests, one by one and along the links. No response is a 5xx; status,
media type, headers and body match the document; invalid requests are refused, and unknown methods
get 405 with Allow.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import images
from tests.support.fuzzing import EXAMPLES, LONG
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess

pytestmark = pytest.mark.integration

CASES = EXAMPLES // 100
"""Requests per operation and kind; more with `make fuzz`."""
PHASES = "examples,fuzzing,stateful" + (",coverage" if LONG else "")
"""The coverage phase sends six times as many requests as the others: each limit of each field."""


@pytest.fixture
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """The standalone processes with short waits and a folder for POST /items/."""
    folder = tmp_path_factory.mktemp("hurried")
    (folder / "images").mkdir()
    (folder / "images" / "cat.png").write_bytes(images.png())
    settings = {
        "IMAGES_ROOT": str(folder / "images"),
        "MAX_WAIT": "0.005",
        "SYNC_TIMEOUT": "0.5",
        "MAX_OUTPUT_PIXELS": "1000000",  # so that huge scales fail at once
        "NEWSLETTER_WEEKDAY": "off",
        "WEBHOOK_PORTS": "9",  # image_url names any host: none is called
    }
    with StandaloneProcess(folder / "data", **settings) as started:
        yield started


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_the_service_follows_its_document(hurried: StandaloneProcess, tmp_path: Path) -> None:
    config = ROOT / "tests" / "schemathesis.toml"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = ["--checks", "all", "--phases", PHASES, "--max-examples", str(CASES)]
    options += ["--seed", "1", "--no-color"]
    done = subprocess.run(
        [*command, *options, f"{hurried.url}/openapi.json"],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,  # for its state files
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
    assert phases.count("disabled") == (not LONG)
