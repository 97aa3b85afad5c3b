"""Fork servers of workers: the children of one, and servers that all tests of a process share."""

from __future__ import annotations

import atexit
import functools
import os
import sys

import psutil

from workers.child import fork_server
from workers.child.fork_server import ForkServer


def children_of(worker: psutil.Process) -> list[psutil.Process]:
    """Return the child processes of a worker: its fork server started them."""
    return [child for server in worker.children() for child in server.children()]


class _SharedForkServer(ForkServer):
    def close(self) -> None:
        """Keep running: the next pool uses it, too."""


def shared_fork_server(max_pixels: int, onnx: bool) -> ForkServer:
    """Return a fork server that runs until this process ends; pools stop their own children."""
    return _running(max_pixels, onnx, fork_server._PROGRAM, sys.executable, os.environ.get("LANG"))


@functools.cache
def _running(max_pixels: int, onnx: bool, *others_of_a_server: str | None) -> ForkServer:
    server = _SharedForkServer(max_pixels, onnx)
    atexit.register(ForkServer.close, server)
    return server
