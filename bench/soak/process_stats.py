"""Memory, file handles, threads and client connections of Darkroom's processes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import psutil

from bench.soak.darkroom import Darkroom

KINDS = {
    "workers.child": "children",
    "workers": "worker",
    "service": "service",
    "standalone": "supervisor",
}
STORES = {"redis-server": "redis-server", "mongod": "mongod"}


def _kind(process: psutil.Process) -> str:
    words = process.cmdline()
    for program, kind in STORES.items():
        if words and program in words[0]:
            return kind
    for module, kind in KINDS.items():
        if module in words:
            return kind
    return "other processes"


def _processes(darkroom: Darkroom) -> Iterator[psutil.Process]:
    yield darkroom.process
    yield from darkroom.process.children(recursive=True)


def measure(darkroom: Darkroom) -> Counter[str]:
    """Return bytes, handles and threads of each kind of process, connections, files.

    Handles do not count connections to the stores: pools keep as many as were ever needed.
    """
    found: Counter[str] = Counter()
    stores = {darkroom.store_port("mongo"), darkroom.store_port("redis")}
    for process in _processes(darkroom):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            kind = _kind(process)
            found[f"{kind}: memory"] += process.memory_info().rss
            found[f"{kind}: threads"] += process.num_threads()
            lines = [
                (each.laddr.port, each.raddr.port)
                for each in process.net_connections("tcp")
                if each.raddr
            ]
            pooled = sum(not stores.isdisjoint(line) for line in lines)
            found[f"{kind}: handles"] += process.num_fds() - pooled
            if kind == "service":
                found["service: connections of clients"] += sum(
                    here == darkroom.port for here, _ in lines
                )
    found["files in scratch folders"] = sum(
        1 for path in darkroom.scratch.rglob("*") if path.is_file()
    )
    return found
