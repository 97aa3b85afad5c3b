"""``python -m tests.cluster faults`` (make cluster) and ``python -m tests.cluster failover``."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster import failover, faults, namespaces, storm
from tests.cluster.cluster import Cluster


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    storm_parser = commands.add_parser("faults", help="one fault after the other, under load")
    storm_parser.add_argument(
        "--seconds", type=float, default=600, help="0: each of the quick faults once"
    )
    storm_parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    times = commands.add_parser("failover", help="measure the table of docs/reliability.md")
    times.add_argument("--times", type=int, default=3, help="measurements of each fault")
    times.add_argument(
        "--defaults", action="store_true", help="of MongoDB, not the settings of docs/deployment.md"
    )
    for command in commands.choices.values():
        command.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # within namespaces
    given = parser.parse_args()
    if given.folder is None:
        return _in_namespaces()
    if given.command == "faults":
        return _storm(given.folder, given.seconds, given.seed)
    tuned = not given.defaults
    with Cluster(given.folder, workers=0, tuned=tuned, **failover.SETTINGS) as cluster:
        print(*asyncio.run(failover.measure(cluster, given.times)), sep="\n")
    return 0


def _in_namespaces() -> int:
    if obstacle := namespaces.obstacle():
        print(obstacle, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="darkroom-cluster-") as folder:
        return namespaces.run(sys.argv[1:], Path(folder))


def _storm(folder: Path, seconds: float, seed: int) -> int:
    print(f"seed {seed}, {seconds:g} s of faults", flush=True)
    end = time.monotonic() + seconds
    order = faults.endless(seed) if seconds else faults.quick(seed)
    due = itertools.takewhile(lambda _: not seconds or time.monotonic() < end, order)
    try:
        with Cluster(folder) as cluster:
            report = asyncio.run(storm.run(cluster, due, seed))
        print(report)
    except BaseException:
        _print_logs(folder)
        raise
    if report.problems:
        _print_logs(folder)
    return 1 if report.problems else 0


def _print_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        print(f"--- {log.name}", log.read_text(errors="replace")[-5_000:], sep="\n")


if __name__ == "__main__":
    sys.exit(main())
