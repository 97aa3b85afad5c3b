"""The walls: who may import whom, and how large a room may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("models", "service", "workers", "standalone", "training", "bench", "docs")


def loaded_by(module: str) -> set[str]:
    code = f"import {module}, sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("service.app", {"workers", "cv2", "openvino", "standalone"}),
        ("workers.worker", {"service", "cv2", "openvino", "standalone"}),
        ("workers.child.__main__", {"service", "aiohttp", "arq", "motor", "pymongo"}),
        ("workers.__main__", {"service", "aiohttp", "arq", "motor", "cv2"}),
        ("models.store", {"service", "workers", "aiohttp", "cv2"}),
        ("models.operations", {"service", "workers", "aiohttp", "cv2", "motor"}),
    ],
)
def test_a_fresh_interpreter_loads_only_its_side(module: str, absent: set[str]) -> None:
    assert not loaded_by(module) & absent


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("motor", ("models/store/",)),
        ("pymongo", ("models/store/", "bench/soak/store_stats.py")),
        ("arq", ("models/redis/queue.py", "workers/worker.py", "workers/queue/arq_worker.py")),
        (
            "redis",
            (
                "models/redis/queue.py",
                "models/redis/result_cache.py",
                "models/redis/rate_counters.py",
                "bench/soak/store_stats.py",
            ),
        ),
        ("limits", ("models/redis/rate_counters.py",)),
        ("cv2", ("workers/", "training/", "bench/")),
        ("openvino", ("workers/upscaler/openvino.py", "bench/")),
        ("torch", ("training/",)),
        ("aiohttp", ("service/", "workers/webhooks/", "standalone/", "bench/")),
        ("aiohttp_sse", ("service/handlers/events.py",)),
        ("dns", ("workers/webhooks/",)),
        ("standardwebhooks", ("models/outbox/webhook_signature.py",)),
        ("prometheus_client", ("models/metrics/", "service/handlers/metrics.py")),
        ("openapi_pydantic", ("service/openapi/",)),
        ("schemathesis", ()),
        ("pickle", ()),
    ],
)
def test_a_library_is_known_in_its_room_only(library: str, rooms: tuple[str, ...]) -> None:
    knowing = [p.relative_to(ROOT).as_posix() for p in sources() if library in imports(p)]
    assert [path for path in knowing if not path.startswith(rooms or ("-",))] == []


def test_no_file_is_two_rooms() -> None:
    large = {p.name: len(p.read_text().splitlines()) for p in sources()}
    assert {name: lines for name, lines in large.items() if lines > 260} == {}


def test_no_word_for_a_drawer() -> None:
    drawers = {"utils", "common", "helpers", "base", "manager"}
    assert not {path.stem for path in sources()} & drawers
