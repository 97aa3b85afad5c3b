"""``python -m models env``: print env_example as the settings class has it."""

from __future__ import annotations

import argparse
import sys

from models.settings import env_example


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models")
    parser.add_argument("what", choices=["env"], help="env: the text of env_example")
    parser.parse_args()
    sys.stdout.write(env_example())


if __name__ == "__main__":
    main()
