"""``python -m workers watch in/ out/ --operations ...``: process what is put into a folder."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any, get_args

from models.errors import BadParameter
from models.images.inspect import FORMAT_BY_EXTENSION
from models.images.metadata import METADATA, MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations.steps import check_format, check_results, read_pipeline
from models.operations.watermark_picture import sent_in
from models.settings import Settings
from workers.cli.arguments import UsageError
from workers.cli.progress_bar import print_line, printable

_TEXT = (
    "Process the pictures that are put into a folder, and those that are there. Results go to the "
    "same sub-folder of the other folder; originals stay. What fails is moved aside, with the "
    "reason in a text file."
)


def add_command(commands: Any) -> None:
    """Add ``watch`` to an argparse ``subparsers`` object."""
    parser = commands.add_parser(
        "watch", help="Process what is put into a folder.", description=_TEXT
    )
    parser.add_argument("folder", metavar="IN", help="folder with the pictures")
    parser.add_argument("results", metavar="OUT", help="folder of the results")
    parser.add_argument(
        "--operations", nargs="+", required=True, metavar="OP", help="e.g. resize=2 grayscale"
    )
    parser.add_argument("--format", choices=list(FORMAT_BY_EXTENSION), help="default: as each came")
    parser.add_argument(
        "--metadata", choices=get_args(MetadataChoice), default="none", help=METADATA
    )
    parser.add_argument("--failed", metavar="FOLDER", help="of what fails; default: IN/failed")
    parser.add_argument("--once", action="store_true", help="end when nothing is left to do")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Watch until SIGINT or SIGTERM, or once.

    Returns the exit status: 0; 1 if a picture failed with ``--once``, or the folders cannot be
    used; 2 if the command line is invalid.
    """
    from workers.watching.record import FolderBusy

    catalogue = Catalogue.read(settings.networks.networks_dir)
    for problem in catalogue.problems:
        print_line(f"darkroom: {problem}")
    try:
        order = _order(given, settings, catalogue)
    except (UsageError, BadParameter) as error:
        print_line(f"darkroom: {error}")
        return 2
    try:
        return asyncio.run(_watch(order, settings, catalogue, once=given.once))
    except (OSError, sqlite3.Error, FolderBusy) as error:
        print_line(f"darkroom: {error}")
        return 1


def _order(given: argparse.Namespace, settings: Settings, catalogue: Catalogue) -> Any:
    """Return the order that the command line gives.

    Raises:
        UsageError, BadParameter: it is invalid.
    """
    from workers.watching.order import Order

    source, results = Path(given.folder), Path(given.results)
    failed = Path(given.failed) if given.failed else source / "failed"
    if not source.is_dir():
        raise UsageError(f"{source} is not a folder")
    for other, what in ((results, "OUT"), (failed, "--failed")):
        if other.exists() and not other.is_dir():
            raise UsageError(f"{other} is not a folder")
        if other.resolve() == source.resolve():
            raise UsageError(f"{what} must be another folder than IN, or a sub-folder of it")
    if failed.resolve() == results.resolve():
        raise UsageError("--failed must be another folder than OUT")
    limits = settings.uploads
    operations = read_pipeline(given.operations, limits.max_operations)
    if sent_in(operations) is not None:
        raise UsageError("of a watched folder a watermark is a text: no picture can be sent along")
    check_results(operations, 1, limits.max_results, limits.max_batch_results)
    for operation in operations:
        operation.weights(catalogue)
    output = FORMAT_BY_EXTENSION[given.format] if given.format else None
    if output:
        check_format(operations, output)
    return Order(source, results, failed, operations, output, given.metadata)


def _tell(line: str) -> None:
    print(printable(line), flush=True)


def _warn(line: str) -> None:
    print_line(f"darkroom: {line}")


async def _watch(order: Any, settings: Settings, catalogue: Catalogue, *, once: bool) -> int:
    from workers.child.pool import ChildPool
    from workers.queue import scratch_dir
    from workers.watching.placement import remove_unfinished
    from workers.watching.record import Record
    from workers.watching.watcher import Watcher

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    order.results.mkdir(parents=True, exist_ok=True)
    with Record(order.results) as record:
        remove_unfinished(order.results)
        scratch = scratch_dir.create()
        children = ChildPool(settings, scratch=scratch)
        try:
            await children.start()
            watcher = Watcher(order, settings, catalogue, record, children, scratch, _tell, _warn)
            print_line(f"darkroom: watching {order.source}; Ctrl-C ends it")
            await watcher.run(stop, once=once)
        finally:
            await children.stop()
            shutil.rmtree(scratch, ignore_errors=True)
    return 1 if once and watcher.failed else 0
