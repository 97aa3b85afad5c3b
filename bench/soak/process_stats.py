"""What the processes of a house hold: memory, handles, threads, connections of clients."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import psutil

from bench.soak.darkroom import House

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


def _processes(house: House) -> Iterator[psutil.Process]:
    yield house.process
    yield from house.process.children(recursive=True)


def figures(house: House) -> Counter[str]:
    """Return bytes, handles and threads of each kind of process, connections, files.

    Handles are without connections to the stores: those are pooled, as many as were ever needed.
    """
    found: Counter[str] = Counter()
    stores = {house.store_port("mongo"), house.store_port("redis")}
    for process in _processes(house):
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
                    here == house.port for here, _ in lines
                )
    found["files in scratch folders"] = sum(
        1 for path in house.scratch.rglob("*") if path.is_file()
    )
    return found
