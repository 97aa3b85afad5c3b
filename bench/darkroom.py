"""Start a Darkroom, or only a store, for a benchmark: in a temporary folder, on a free port."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from standalone import embedded_stores
from standalone.embedded_stores import EmbeddedStore, free_port

_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def run_darkroom(**environment: str) -> Iterator[str]:
    """Run ``python -m standalone`` and yield its URL."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        settings = {"PORT": str(free_port()), "DATA_DIR": folder, "LOG_LEVEL": "WARNING"}
        process = subprocess.Popen(
            [sys.executable, "-m", "standalone"],
            cwd=_ROOT,
            env={**os.environ, **settings, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "is ready" in line:
                    break
            else:
                raise RuntimeError("Darkroom did not start")
            yield f"http://127.0.0.1:{settings['PORT']}"
        finally:
            process.terminate()
            process.communicate(timeout=60)


@contextmanager
def run_mongod() -> Iterator[str]:
    """Run a separate mongod and yield its URL."""
    with _run_store(embedded_stores.mongo) as url:
        yield url


@contextmanager
def run_redis() -> Iterator[str]:
    """Run a separate redis-server and yield its URL."""
    with _run_store(embedded_stores.redis) as url:
        yield url


@contextmanager
def _run_store(store: Callable[[Path], EmbeddedStore]) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        server = store(Path(folder))
        process = subprocess.Popen(
            server.process.command, stdout=server.process.output, stderr=subprocess.STDOUT
        )
        try:
            asyncio.run(server.process.ready())
            yield server.url
        finally:
            process.terminate()
            process.wait(30)
            if server.process.output:
                server.process.output.close()
