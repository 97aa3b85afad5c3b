"""``python -m models env``: env_example as the settings class has it; ``metrics``: the metrics."""

from __future__ import annotations

import argparse
import sys

from models.metrics.catalogue import table
from models.settings import env_example


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models")
    parser.add_argument(
        "what",
        choices=["env", "metrics"],
        help="env: the text of env_example; metrics: the table in docs/metrics.md",
    )
    what = parser.parse_args().what
    sys.stdout.write(env_example() if what == "env" else table())


if __name__ == "__main__":
    main()
