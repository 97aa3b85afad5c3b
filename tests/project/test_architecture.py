"""The architecture: which folder may import which, which library is known where, sizes of files."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("client", "models", "service", "workers", "standalone", "training", "bench", "docs")
PRODUCT = ("models", "service", "workers", "standalone")
MAX_LINES = 260


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
        ("service.__main__", {"workers", "aiohttp", "arq", "motor", "jinja2"}),  # its health check
        ("workers.worker", {"service", "cv2", "openvino", "standalone"}),
        ("workers.child.__main__", {"service", "aiohttp", "arq", "motor", "pymongo"}),
        ("workers.__main__", {"service", "aiohttp", "arq", "motor", "cv2"}),
        ("standalone.__main__", {"aiohttp", "arq", "motor", "jinja2", "httpx", "mcp"}),
        ("models.store", {"service", "workers", "aiohttp", "cv2"}),
        ("models.operations", {"service", "workers", "aiohttp", "cv2", "motor"}),
    ],
)
@pytest.mark.integration
def test_a_fresh_interpreter_loads_only_its_side(module: str, absent: set[str]) -> None:
    assert not loaded_by(module) & absent


@pytest.mark.integration
def test_the_client_needs_httpx_and_nothing_else_of_ours() -> None:
    code = "import darkroom.client, sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {*PRODUCT, "aiohttp", "pydantic", "standardwebhooks", "tqdm"}


@cache
def sources() -> tuple[Path, ...]:
    return tuple(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def import_statements(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Return those of a file, within functions too."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return tuple(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))


def imports(path: Path) -> set[str]:
    found = set()
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("motor", ("models/store/",)),
        (
            "pymongo",
            (
                "models/store/",
                "models/replica_set.py",
                "bench/soak/store_stats.py",
                "bench/store_calls.py",
            ),
        ),
        ("arq", ("models/redis/queue.py", "workers/worker.py", "workers/queue/arq_worker.py")),
        (
            "redis",
            (
                "models/redis/queue.py",
                "models/redis/connection.py",
                "models/redis/rate_limiter.py",
                "bench/store_calls.py",
                "bench/soak/store_stats.py",
            ),
        ),
        ("limits", ("models/redis/rate_limiter.py",)),
        ("cv2", ("workers/", "training/", "bench/")),
        ("simplejpeg", ("workers/imaging/libjpeg.py",)),
        ("pi_heif", ("workers/imaging/decoders.py",)),
        ("openvino", ("workers/upscaler/openvino.py", "bench/")),
        ("torch", ("training/",)),
        ("aiohttp", ("service/", "models/outbound/", "workers/webhooks/", "bench/")),
        ("aiohttp_sse", ("service/handlers/events.py",)),
        ("dns", ("models/outbound/resolver.py",)),
        ("standardwebhooks", ("models/outbox/webhook_signature.py",)),
        ("prometheus_client", ("models/metrics/", "service/handlers/health.py")),
        ("httpx", ("client/darkroom/client/",)),
        ("mcp", ("standalone/mcp_server/",)),
        ("darkroom", ("client/", "standalone/")),
        ("schemathesis", ()),
        ("pickle", ()),
    ],
)
def test_a_library_is_known_in_its_room_only(library: str, rooms: tuple[str, ...]) -> None:
    knowing = [p.relative_to(ROOT).as_posix() for p in sources() if library in imports(p)]
    assert [path for path in knowing if not path.startswith(rooms or ("-",))] == []


def test_every_file_is_one_room() -> None:
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources()
    }
    assert len(sizes) == len(sources())
    del sizes["models/errors.py"]  # one list, which grows with each error
    del sizes["client/darkroom/client/operations.py"]  # written, a class for each operation
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


def test_no_word_for_a_drawer() -> None:
    drawers = {"utils", "common", "helpers", "base", "manager"}
    names = {part for path in sources() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & drawers


def test_no_two_modules_of_the_product_have_the_same_folder_and_name() -> None:
    """Of service/auth/tokens.py and models/auth/tokens.py, a newcomer opens the wrong one."""
    names = Counter(
        f"{path.parent.name}/{path.name}"
        for path in sources()
        if path.relative_to(ROOT).parts[0] in PRODUCT
        and path.name != "__init__.py"
        and path.parent.name != "operations"  # the spec in models, its function in workers
    )
    assert [name for name, count in names.items() if count > 1] == []


def folder_of(module: str) -> str:
    """Return the folder of a module; a module directly in a top-level package stands for itself."""
    path = Path(*module.split("."))
    if path.parts[0] == "darkroom":
        return "client"
    if (ROOT / path).is_dir():
        return path.as_posix() if len(path.parts) > 1 else f"{path}/__init__"
    return path.as_posix() if len(path.parts) < 3 else path.parent.as_posix()


def modules() -> dict[str, Path]:
    """Return every module of the sources by its dotted name."""
    found = {}
    for path in sources():
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[1:] if parts[0] == "client" else parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def folder_imports() -> dict[str, set[str]]:
    """Return which folders each folder imports from, imports within functions included."""
    known, graph = modules(), dict[str, set[str]]()
    for name, path in known.items():
        for node in import_statements(path):
            targets: list[str] = []
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif node.module:
                submodules = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [sub if sub in known else node.module for sub in submodules]
            for target in targets:
                if target in known:
                    graph.setdefault(folder_of(name), set()).add(folder_of(target))
    return {folder: imported - {folder} for folder, imported in graph.items()}


def test_no_circle_between_folders() -> None:
    TopologicalSorter(folder_imports()).prepare()  # raises CycleError, which names the circle
