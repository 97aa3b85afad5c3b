"""``python -m workers upscale in.png out.png --scale 2``: the operations without any server.

    python -m workers upscale in.png out.png --scale 2 --model darkroom-fast
    python -m workers upscale *.jpg -o out/
    python -m workers process in.png out.jpg --operations resize=2 grayscale

Exit status: 0, 1 if a picture failed (a line each on standard error), 2 if the command is wrong,
130 after Ctrl-C. Limits are the settings, from the environment or ``.env``.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import memory_estimate
from models.errors import AppError, BadParameter
from models.images.inspect import (
    ACCEPTED_FORMATS,
    FORMAT_BY_EXTENSION,
    ImageHeader,
    check_side,
    inspect,
)
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS
from models.operations.parameter_docs import rows, summary
from models.operations.steps import encoding, sizes
from models.settings import Settings
from workers.cli.arguments import ParsedCommand, UsageError
from workers.cli.progress_bar import ProgressBar, printable

if TYPE_CHECKING:
    from workers.imaging.writer import Output
    from workers.upscaler.engine import Engine

_INPUT_FORMATS = (*ACCEPTED_FORMATS, "gif")


class CannotProcess(Exception):
    """One image cannot be processed."""


def add_commands(commands: Any) -> None:
    """Add a command for each operation, and ``process``, to an argparse ``subparsers`` object."""
    for op, spec in OPERATIONS.items():
        parser = _add_parser(commands, op, summary(spec), "format" not in spec.model_fields)
        for row in rows(spec):
            text = f"{row.description} {row.values}; default: {row.default}".replace("%", "%%")
            name = row.name.replace("_", "-")
            parser.add_argument(f"--{name}", dest=f"op_{row.name}", metavar="VALUE", help=text)
    parser = _add_parser(commands, "process", "Several operations, left to right.", True)
    parser.add_argument(
        "--operations", nargs="+", required=True, metavar="OP", help="e.g. resize=2 grayscale"
    )


def _add_parser(commands: Any, name: str, text: str, with_format: bool) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="input, and output or -o")
    parser.add_argument("-o", "--output", help="file, or folder for several pictures")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite what is there")
    if with_format:
        parser.add_argument(
            "--format", choices=list(FORMAT_BY_EXTENSION), help="default: as the output says"
        )
    parser.set_defaults(run=run)
    return parser


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Run the command line; return the exit status."""
    catalogue = Catalogue.read(settings.networks_dir, settings.onnx_enabled)
    for problem in catalogue.problems:
        print(f"darkroom: {printable(problem)}", file=sys.stderr)
    try:
        order = ParsedCommand.from_arguments(given, settings.max_operations)
        for operation in order.operations:
            operation.weights(catalogue)
    except (UsageError, BadParameter) as error:
        print(f"darkroom: {printable(str(error))}", file=sys.stderr)
        return 2
    from workers.imaging import decoders

    decoders.configure_opencv(settings.max_pixels)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what lies half done is cleared away
    try:
        with ProgressBar(sys.stderr or io.StringIO()) as bar:  # None: it was closed
            return _process_all(order, catalogue, settings, bar)
    except KeyboardInterrupt:
        return 130


def _process_all(order: ParsedCommand, catalogue: Catalogue, settings: Settings, bar: ProgressBar) -> int:
    from workers.upscaler.select import choose_engine

    failed = 0
    made: dict[Path, Path] = {}
    try:
        engine, why = choose_engine(settings.upscale_engine, settings.upscale_precision, catalogue)
    except Exception as error:  # a wheel for another processor fails in ways of its own
        bar.print_line(f"darkroom: UPSCALE_ENGINE is openvino, and it does not work: {error}")
        return 2
    if why and any(operation.op == "upscale" for operation in order.operations):
        bar.print_line(f"darkroom: {why}; OpenCV works instead")
    for number, source in enumerate(order.inputs, 1):
        count = f" {number}/{len(order.inputs)}" if len(order.inputs) > 1 else ""
        bar.start(f"{source.name}{count}")
        try:
            _process_one(source, order, catalogue, settings, bar, made, engine)
            continue
        except (AppError, CannotProcess) as error:
            reason = str(error)
        except OSError as error:
            other = f"{error.filename}: " if error.filename not in {None, str(source)} else ""
            reason = f"{other}{error.strerror or error}"
        except MemoryError:
            reason = "there is not enough memory for it"
        except Exception as error:  # a defect of ours: the other pictures are still done
            reason = f"unexpected, please report: {error!r}"
        failed += 1
        bar.print_line(f"darkroom: {source}: {reason}")
    return 1 if failed else 0


def _process_one(
    source: Path,
    order: ParsedCommand,
    catalogue: Catalogue,
    settings: Settings,
    bar: ProgressBar,
    made: dict[Path, Path],
    engine: Engine,
) -> None:
    """Process one image.

    ``made``: files that this command already wrote, and from which image.

    Raises:
        AppError, CannotProcess, OSError: it cannot be processed.
    """
    from workers.child import task_limits
    from workers.pipeline import Limits, Pipeline
    from workers.upscaler.sanity import SanityLimits

    header = _inspect(source)
    written = encoding(order.operations, order.format or header.format)
    for size in sizes(order.operations, (header.width, header.height), settings.max_output_pixels):
        check_side(*size, written.format)
    targets = order.targets(source, written.format)
    for target in targets:
        if target in made:
            raise CannotProcess(
                f"{target} was just made of {made[target]}; give them other folders"
            )
        if os.path.lexists(target) and not order.force:
            raise CannotProcess(f"{target} is there already; -f overwrites it")
    parent = targets[0].parent
    need, fixed = memory_estimate.need(
        header, order.operations, written.format, catalogue, settings.tile_pixels
    )
    memory_estimate.check(need, settings, fixed)
    task_limits.limit_memory(need)
    if order.folder:
        parent.mkdir(parents=True, exist_ok=True)
    elif not parent.is_dir():
        raise CannotProcess(f"there is no folder {parent}")
    bounds = SanityLimits(settings.upscale_min_psnr, settings.upscale_max_shift)
    limits = Limits(settings.max_pixels, settings.max_output_pixels, settings.tile_pixels, bounds)
    # Beside the target, so that a finished file appears there in one step.
    with tempfile.TemporaryDirectory(prefix=".darkroom-", dir=parent) as name:
        pipeline = Pipeline(
            order.operations,
            written,
            catalogue,
            limits,
            bar.update,
            writing=settings.encoder_settings,
            engine=engine,
        )
        outputs = pipeline.process(source, Path(name), settings.max_pixels)
        for target, output in zip(targets, outputs.results, strict=True):
            _move_into_place(output, target, order.force)
            made[target] = source


def _inspect(source: Path) -> ImageHeader:
    if source.is_dir():
        raise CannotProcess("it is a folder; name the pictures in it")
    if source.exists() and not source.is_file():
        raise CannotProcess("it is no file: a pipe or a device cannot be read twice")
    with source.open("rb") as file:
        return inspect(file, _INPUT_FORMATS)


def _move_into_place(output: Output, target: Path, force: bool) -> None:
    if not force:
        try:
            target.open("xb").close()  # so that what came there meanwhile is not overwritten
        except FileExistsError:
            raise CannotProcess(f"{target} is there already; -f overwrites it") from None
    made = Path(output.path)
    if target.exists():
        made.chmod(stat.S_IMODE(target.stat().st_mode))
    made.replace(os.path.realpath(target))  # what a link points at, not the link
