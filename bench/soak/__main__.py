"""``python -m bench.soak``: valid and hostile load side by side; then it checks that nothing grew.

Starts a Darkroom of its own on loopback and prints the block of docs/security.md; ``--into`` also
writes it there. Exit status 1: something grew, was lost, or an answer was a fault of darkroom.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from bench.soak.run import soak

BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"


def write_into(page: Path, block: str) -> None:
    """Write ``block`` between the marks of ``page``."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{block}\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of load, in two halves")
    parser.add_argument("--concurrency", type=int, default=50, help="acts at a time")
    parser.add_argument("--seed", default="1", help="the same acts in the same order for each lane")
    parser.add_argument("--into", type=Path, help="a page with the marks of the block")
    given = parser.parse_args()
    command = (
        f"python -m bench.soak --seconds {given.seconds:g} --concurrency {given.concurrency} "
        f"--seed {given.seed}"
    )
    report = asyncio.run(soak(given.seconds, given.concurrency, given.seed, command))
    print(report)
    for complaint in report.complaints:
        print(f"\nwrong: {complaint}", file=sys.stderr)
    if given.into:
        write_into(given.into, str(report))
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
