"""``python -m standalone`` (make run): run stores, service and workers until SIGINT or SIGTERM.

With arguments it is the command ``darkroom``, from a clone in which it is not installed.
"""

from __future__ import annotations

import sys

from standalone import command


def main() -> int:
    return command.main(prog="python -m standalone") if sys.argv[1:] else command.run_all()


if __name__ == "__main__":
    sys.exit(main())
