"""``python -m models``: print generated documents, check the store, print webhook secrets."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from models.errors import BadSettings
from models.metrics.definitions import METRICS
from models.metrics.metric import ANY_VALUE, OTHER
from models.settings import Settings, env_example


def markdown_table() -> str:
    """Return the Markdown table of docs/metrics.md."""
    rows = ["| metric | kind | labels | measured by | |", "|---|---|---|---|---|"]
    for m in METRICS:
        labels = ", ".join(_label(name, m.labels.get(name, ANY_VALUE)) for name in m.exposed_labels)
        rows.append(f"| `{m.name}` | {m.kind} | {labels} | {m.source} | {m.help} |")
    return "\n".join(rows) + "\n"


def _label(name: str, values: tuple[str, ...]) -> str:
    """Return the label, with its values if there are at most ten."""
    few = [value for value in values if value != OTHER] if len(values) <= 10 else []
    return f"`{name}` ({', '.join(few)})" if few else f"`{name}`"


def main(given: Sequence[str] | None = None, prog: str = "python -m models") -> int:
    """Run the command line; ``given``: its arguments, None for the program's own."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("env", help="print env_example, generated from the settings")
    commands.add_parser("metrics", help="print the table in docs/metrics.md")
    signing = commands.add_parser(
        "webhook-secret",
        help="print the secrets that sign webhooks, for their receivers: WEBHOOK_SECRET, or one "
        "derived from SECRET_KEY or from the secret in MONGO_URL or in the running store of "
        "DATA_DIR; with --key always a derived one",
    )
    signing.add_argument(
        "--key", default="", metavar="ID", help="for webhooks of the API key with this id"
    )
    check = commands.add_parser(
        "check",
        help="check tasks, names and bytes in MONGO_URL, or in the running store of DATA_DIR; exit "
        "status 0: no errors, 1: errors, 2: the check could not run",
    )
    check.add_argument("--fast", action="store_true", help="count chunks instead of hashing bytes")
    check.add_argument(
        "--repair",
        action="store_true",
        help="delete orphaned files, compute lost results again; exit status 0: no errors remain",
    )
    arguments = parser.parse_args(given)
    if arguments.command == "env":
        sys.stdout.write(env_example())
        return 0
    if arguments.command == "metrics":
        sys.stdout.write(markdown_table())
        return 0
    # Imported here: env_example needs no store.
    from models import cli
    from models.replica_set import embedded_mongo_url

    try:
        settings = Settings.load()
        if not settings.stores.mongo_url:
            settings = settings.replace(mongo_url=embedded_mongo_url(settings.stores.data_dir))
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    if not settings.stores.mongo_url:
        print(
            "darkroom: MONGO_URL must be set: there was never a store in "
            f"DATA_DIR={settings.stores.data_dir}",
            file=sys.stderr,
        )
        return 2
    if arguments.command == "webhook-secret":
        return asyncio.run(cli.webhook_secret(settings, arguments.key))
    return asyncio.run(cli.check(settings, fast=arguments.fast, repair=arguments.repair))


if __name__ == "__main__":
    sys.exit(main())
