"""``python -m tests.chaos storm`` (make chaos) and ``python -m tests.chaos recovery``."""

from __future__ import annotations

import argparse
import sys

from tests.chaos import recovery, storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    storms = commands.add_parser("storm", help="a long storm")
    storms.add_argument("--seconds", type=float, default=300)
    storms.add_argument("--pause", type=float, default=3, help="seconds between two harms")
    storms.add_argument("--count", type=int, default=0, help="submissions; 0: four a second")
    storms.add_argument("--seed", type=int, default=storm.seed_given())
    times = commands.add_parser("recovery", help="the table of docs/reliability.md")
    times.add_argument("--times", type=int, default=5, help="deaths of each kind")
    given = parser.parse_args()
    with storm.folder_for_a_storm() as folder:
        if given.what == "recovery":
            recovery.measure(folder, given.times)
            return 0
        print(f"CHAOS_SEED={given.seed}, {given.seconds:g} s of storm", flush=True)
        report = storm.run(
            folder,
            seconds=given.seconds,
            pause=given.pause,
            count=given.count or round(4 * given.seconds),
            seed=given.seed,
        )
        print(report)
        if report.complaints:
            print(*report.harms, sep="\n")
            for log in folder.glob("*.log"):
                print(f"--- {log.name}", log.read_text()[-20_000:], sep="\n")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
