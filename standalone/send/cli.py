"""``darkroom send *.jpg --upscale 2 --server URL -o out/``: send pictures, fetch the results.

    darkroom send cat.jpg dog.jpg --upscale 2 -o out/
    darkroom send *.png --resize 0.5 --grayscale --format webp --server https://… -o out/

Operations are applied in the order in which they stand. The same command after an interruption
goes on: what was sent is not sent again, what was fetched is not fetched again. The key of a
service that wants one is better given as DARKROOM_KEY: others on this machine can read command
lines.

Exit status: 0; 1 if a picture failed (one line each on standard error); 2 if nothing could be done;
130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from darkroom.client import AsyncDarkroom, DarkroomError, Options

from models.errors import BadParameter
from models.images.inspect import FORMAT_BY_EXTENSION
from models.images.metadata import METADATA, MetadataChoice
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import summary
from models.operations.steps import read_pipeline
from standalone.send.journal import FILE_NAME, Journal
from standalone.send.sender import Abort, Outcome, Sender
from workers.cli.progress_bar import print_line, progress_bar

DEFAULT_SERVER = "http://127.0.0.1:8080"
_MAX_OPERATIONS = 1000  # the service has its own limit


def main(arguments: Sequence[str], prog: str = "darkroom send") -> int:
    """Run the command line; return the exit status."""
    parser = _parser(prog)
    given = parser.parse_args(arguments)
    given.operations = given.operations or []
    if not given.operations and not given.preset:
        parser.error("no operation: say what is to be done, e.g. --upscale 2")
    try:
        if given.operations:
            read_pipeline(given.operations, _MAX_OPERATIONS)  # before anything is sent
        given.output.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_send(given))
    except BadParameter as error:
        print_line(f"darkroom: {error.detail}")
    except (Abort, DarkroomError) as error:
        print_line(f"darkroom: {error}")
    except OSError as error:
        print_line(f"darkroom: {error.filename or given.output}: {error.strerror or error}")
    except KeyboardInterrupt:
        print_line("darkroom: stopped; the same command goes on from here")
        return 130
    return 2


async def _send(given: argparse.Namespace) -> int:
    chosen = ("preset", "format", "quality", "max_bytes", "metadata")
    options = {name: value for name in chosen if (value := getattr(given, name)) is not None}
    request = (given.server, _items(given.operations), Options(**options))  # type: ignore[typeddict-item]
    sources = list(dict.fromkeys(given.pictures))
    label = sources[0].name if len(sources) == 1 else f"{len(sources)} pictures"
    key = given.key or os.environ.get("DARKROOM_KEY")
    async with AsyncDarkroom(given.server, key) as darkroom:
        with Journal(given.output) as journal, progress_bar(label) as progress:
            sender = Sender(darkroom, journal, request, given.output, force=given.force)
            outcomes = await sender.send(sources, progress)
    return _report(outcomes, given.output)


def _items(values: Sequence[str]) -> list[Any]:
    """Return the operations as one JSON list, which may have short forms and objects."""
    found: list[Any] = []
    for value in values:
        item = json.loads(value) if value.lstrip().startswith(("[", "{", '"')) else value
        found += item if isinstance(item, list) else [item]
    return found


def _report(outcomes: Sequence[Outcome], folder: Path) -> int:
    """Print failures, the files and a summary; return the exit status."""
    failed = [each for each in outcomes if each.failure]
    for each in failed:
        print_line(f"darkroom: {each.source}: {each.failure}")
    there = sum(each.was_there for each in outcomes)
    done = len(outcomes) - len(failed) - there
    print(f"{done} done, {there} already there, {len(failed)} failed; folder: {folder}")
    return 1 if failed else 0


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("pictures", nargs="+", type=Path, metavar="PICTURE", help="files to send")
    add(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help=f"for the results, and {FILE_NAME}",
    )
    add("-f", "--force", action="store_true", help="overwrite other files of the same name")
    add("--server", default=DEFAULT_SERVER, metavar="URL", help=f"default: {DEFAULT_SERVER}")
    add("--key", help="API key; default: the environment variable DARKROOM_KEY")
    add("--preset", metavar="NAME", help="operations and options that the service knows")
    add("--format", choices=list(FORMAT_BY_EXTENSION), help="default: that of each picture")
    add("--quality", help="of JPEG, WebP and AVIF: 1 to 100, or lossless for WebP")
    add("--max-bytes", type=int, metavar="BYTES", help="highest quality that fits")
    add("--metadata", choices=get_args(MetadataChoice), help=METADATA)
    operations = parser.add_argument_group("operations, applied in their order")
    for op, spec in OPERATIONS.items():
        _add_operation(operations, op, spec)
    operations.add_argument(
        "--operations",
        dest="operations",
        action="extend",
        nargs="+",
        metavar="OP",
        help='any, e.g. resize=2 grayscale \'{"op": "crop", "width": 90, "height": 60}\'',
    )
    return parser


def _add_operation(group: argparse._ArgumentGroup, op: str, spec: type[Operation]) -> None:
    """Add ``--op VALUE`` where the short form has a value, ``--op`` where none is needed."""
    if spec.shorthand is not None:
        group.add_argument(
            f"--{op}",
            dest="operations",
            action="append",
            type=lambda value: f"{op}={value}",
            metavar=spec.shorthand.upper(),
            help=summary(spec).replace("%", "%%"),
        )
    elif not any(field.is_required() for field in spec.model_fields.values()):
        group.add_argument(
            f"--{op}",
            dest="operations",
            action="append_const",
            const=op,
            help=summary(spec).replace("%", "%%"),
        )
