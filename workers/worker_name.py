"""The name of a worker, as the worker and its supervisor use it."""

from __future__ import annotations

import socket


def worker_name(pid: int) -> str:
    """Return the name of the worker with process id ``pid`` on this machine."""
    return f"{socket.gethostname()}:{pid}"
