"""``python -m tests.chaos storm`` (make chaos) and ``python -m tests.chaos recovery``."""

from __future__ import annotations

import argparse
import sys

from tests.chaos import recovery, storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    storm_parser = commands.add_parser("storm", help="inject faults at random under load")
    storm_parser.add_argument("--seconds", type=float, default=300)
    storm_parser.add_argument(
        "--pause", type=float, default=3, help="mean seconds between two faults"
    )
    storm_parser.add_argument(
        "--count", type=int, default=0, help="submissions; 0: four per second"
    )
    storm_parser.add_argument("--seed", type=int, default=storm.seed_from_environment())
    recovery_parser = commands.add_parser(
        "recovery", help="measure the table of docs/reliability.md"
    )
    recovery_parser.add_argument("--times", type=int, default=5, help="deaths of each kind")
    given = parser.parse_args()
    with storm.storm_folder() as folder:
        if given.command == "recovery":
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
        if report.problems:
            print(*report.faults, sep="\n")
            for log in folder.glob("*.log"):
                print(f"--- {log.name}", log.read_text()[-20_000:], sep="\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
