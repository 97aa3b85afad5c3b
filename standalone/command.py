"""The command ``darkroom``: one entry for the programs of this repository.

Each command is a program that ``python -m`` runs as well, with its own options: ``darkroom COMMAND
--help``. docs/clients.md says how DATA_DIR is found.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models import VERSION
from models.errors import BadSettings
from models.operations import OPERATIONS
from models.operations.parameter_docs import summary
from models.settings import Settings
from standalone import data_folder
from standalone.process import CannotStart, print_status

_HEALTH = ["health"]


@dataclass(frozen=True)
class Command:
    """One command: its line of help, and what runs it with the rest of the command line."""

    text: str
    run: Callable[[str, list[str]], int]


def run_all() -> int:
    """Run stores, service and workers until SIGINT or SIGTERM; return the exit status."""
    # Imported here, as in each command: the others need none of it.
    from standalone.supervisor import Supervisor

    try:
        return asyncio.run(Supervisor(Settings.load().require_folders()).run())
    except (CannotStart, BadSettings, TimeoutError) as error:
        print_status(f"darkroom: {error}")
        return 2


def _run(prog: str, rest: list[str]) -> int:
    text = "Run stores, service and workers until Ctrl-C; settings are environment variables."
    argparse.ArgumentParser(prog=f"{prog} run", description=text).parse_args(rest)
    return run_all()


def _serve(prog: str, rest: list[str]) -> int:
    from service.__main__ import main

    return main(rest, f"{prog} serve")


def _keys(prog: str, rest: list[str]) -> int:
    from service.__main__ import main

    return main(["keys", *rest], prog)


def _work(prog: str, rest: list[str]) -> int:
    from workers.__main__ import main

    return main(rest if rest[:1] == _HEALTH else ["run", *rest], f"{prog} work")


def _weights(prog: str, rest: list[str]) -> int:
    from workers.cli.fetch_weights import main

    return main(rest, prog=f"{prog} weights")


def _send(prog: str, rest: list[str]) -> int:
    from standalone.send.cli import main

    return main(rest, f"{prog} send")


def _mcp(prog: str, rest: list[str]) -> int:
    from standalone.mcp_server.cli import main

    return main(rest, f"{prog} mcp")


def _copy(prog: str, rest: list[str]) -> int:
    from standalone.copy_out import main

    return main(rest, f"{prog} copy")


def _of_models(name: str) -> Callable[[str, list[str]], int]:
    def run(prog: str, rest: list[str]) -> int:
        from models.__main__ import main

        return main([name, *rest], prog)

    return run


def _on_files(name: str) -> Callable[[str, list[str]], int]:
    def run(prog: str, rest: list[str]) -> int:
        from workers.__main__ import main

        return main([name, *rest], prog)

    return run


COMMANDS = {
    "run": Command("stores, service and workers on this machine (make run)", _run),
    "serve": Command("the service alone; also: serve health, serve openapi", _serve),
    "work": Command("one worker alone; also: work health", _work),
    "keys": Command("create, list, rotate and revoke API keys", _keys),
    "check": Command("check tasks, names and bytes", _of_models("check")),
    "webhook-secret": Command("print the secrets of webhooks", _of_models("webhook-secret")),
    "copy": Command("copy the data of embedded stores to a MongoDB of your own", _copy),
    "weights": Command("fetch networks of others", _weights),
    "env": Command("print all settings with their defaults", _of_models("env")),
    "metrics": Command("print the table of metrics", _of_models("metrics")),
    "send": Command("send pictures to a Darkroom, fetch the results", _send),
    "mcp": Command("offer the operations to assistants (Model Context Protocol)", _mcp),
    "process": Command("several operations on local files, without a server", _on_files("process")),
    "watch": Command("process what is put into a folder, without a server", _on_files("watch")),
    **{op: Command(summary(spec), _on_files(op)) for op, spec in OPERATIONS.items()},
}


def main(arguments: Sequence[str] | None = None, prog: str = "darkroom") -> int:
    """Run the command line; ``arguments``: None for the program's own; ``prog``: its name."""
    arguments = sys.argv[1:] if arguments is None else arguments
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} COMMAND [OPTIONS]",
        description="Darkroom, a self-hosted image service. COMMAND --help says more.",
        epilog="\n".join(
            ["commands:", *(f"  {name:{width}}  {each.text}" for name, each in COMMANDS.items())]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"darkroom {VERSION}")
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS), help="see below")
    if not arguments:
        parser.print_help()
        return 2
    name = parser.parse_args(arguments[:1]).command  # the rest is the command's own
    data_folder.set_defaults()
    return COMMANDS[name].run(prog, list(arguments[1:]))
