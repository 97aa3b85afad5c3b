"""What a worker is called, by itself and by the supervisor that sees it die."""

from __future__ import annotations

import socket


def worker_name(pid: int) -> str:
    """Return the name of the worker with process id ``pid`` on this machine."""
    return f"{socket.gethostname()}:{pid}"
