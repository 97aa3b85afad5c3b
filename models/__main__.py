"""``python -m models``: tables of our documents, is all stored well, what signs webhooks."""

from __future__ import annotations

import argparse
import asyncio
import sys

from models.errors import BadSettings
from models.metrics.definitions import table
from models.settings import Settings, env_example


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("env", help="print env_example as the settings class has it")
    commands.add_parser("metrics", help="print the table in docs/metrics.md")
    signing = commands.add_parser(
        "webhook-secret",
        help="print what webhooks are signed with, for their receivers: WEBHOOK_SECRET, or what is "
        "made of SECRET_KEY or of the secret in MONGO_URL or in the running store of DATA_DIR; "
        "with --key always the latter",
    )
    signing.add_argument("--key", default="", metavar="ID", help="of the API key with this id")
    check = commands.add_parser(
        "check",
        help="check tasks, names and bytes in MONGO_URL, or in the running store of DATA_DIR; exit "
        "status 0: all is well, 1: it is not, 2: it could not be checked",
    )
    check.add_argument("--fast", action="store_true", help="count chunks instead of hashing bytes")
    check.add_argument(
        "--repair",
        action="store_true",
        help="delete what nobody owns, compute lost results again; exit status 0: all is well now",
    )
    given = parser.parse_args()
    if given.what == "env":
        sys.stdout.write(env_example())
        return 0
    if given.what == "metrics":
        sys.stdout.write(table())
        return 0
    try:
        settings = Settings.load()
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    # Imported here: env_example needs no store.
    from models import cli

    if not settings.mongo_url:
        settings = settings.model_copy(update={"mongo_url": cli.embedded(settings.data_dir)})
    if not settings.mongo_url:
        print(
            f"darkroom: MONGO_URL must be set: no store ever ran in DATA_DIR={settings.data_dir}",
            file=sys.stderr,
        )
        return 2
    if given.what == "webhook-secret":
        return asyncio.run(cli.webhook_secret(settings, given.key))
    return asyncio.run(cli.check(settings, fast=given.fast, repair=given.repair))


if __name__ == "__main__":
    sys.exit(main())
