"""A Darkroom of the benchmark's own, in a temporary folder, on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from standalone import embedded_stores
from standalone.embedded_stores import free_port

_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def running(**environment: str) -> Iterator[str]:
    """Run ``python -m standalone`` and give its URL."""
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
def own_store() -> Iterator[str]:
    """Run a mongod of the benchmark's own and give its URL."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        server = embedded_stores.mongo(Path(folder))
        process = subprocess.Popen(
            server.program.command, stdout=server.program.output, stderr=subprocess.STDOUT
        )
        try:
            server.ready()
            yield server.url
        finally:
            process.terminate()
            process.wait(30)
            if server.program.output:
                server.program.output.close()
