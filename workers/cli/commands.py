"""``python -m workers upscale in.png out.png --scale 2``: run operations without a server.

    python -m workers upscale in.png out.png --scale 2 --model darkroom-fast
    python -m workers upscale *.jpg -o out/
    python -m workers process in.png out.jpg --operations resize=2 grayscale

Exit status: 0; 1 if a picture failed (one line each on standard error); 2 if the command line is
invalid; 130 after Ctrl-C. Limits are the settings, from the environment or ``.env``.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from models import memory_estimate
from models.errors import AppError
from models.images.inspect import (
    FORMAT_BY_EXTENSION,
    ImageHeader,
    InputFormat,
    check_side,
    inspect,
)
from models.images.metadata import METADATA, MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS
from models.operations.parameter_docs import parameter_rows, summary
from models.operations.steps import final_encoding, result_sizes
from models.settings import Settings
from workers.cli.arguments import ParsedCommand, UsageError
from workers.cli.progress_bar import print_line, progress_bar
from workers.cli.watermark_file import OPTION

if TYPE_CHECKING:
    from workers.imaging.writer import Output
    from workers.upscaler.engine import Engine


_WATERMARK = "picture of a watermark, in place of its text: a PNG or JPEG file"


class CannotProcess(Exception):
    """One image cannot be processed."""


def add_commands(commands: Any) -> None:
    """Add a command for each operation, and ``process``, to an argparse ``subparsers`` object."""
    for op, spec in OPERATIONS.items():
        parser = _add_parser(commands, op, summary(spec), "format" not in spec.model_fields)
        for row in parameter_rows(spec):
            if row.name == "picture":
                parser.add_argument(OPTION, metavar="FILE", help=_WATERMARK)
                continue
            text = f"{row.description} {row.values}; default: {row.default}".replace("%", "%%")
            name = row.name.replace("_", "-")
            parser.add_argument(f"--{name}", dest=f"op_{row.name}", metavar="VALUE", help=text)
    parser = _add_parser(commands, "process", "Apply several operations, left to right.", True)
    parser.add_argument(
        "--operations", nargs="+", required=True, metavar="OP", help="e.g. resize=2 grayscale"
    )
    parser.add_argument(OPTION, metavar="FILE", help=_WATERMARK)


def _add_parser(commands: Any, name: str, text: str, with_format: bool) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="input files, then the output file unless -o is given",
    )
    parser.add_argument("-o", "--output", help="output file, or folder for several pictures")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--metadata", choices=get_args(MetadataChoice), default="none", help=METADATA
    )
    if with_format:
        parser.add_argument(
            "--format",
            choices=list(FORMAT_BY_EXTENSION),
            help="default: by the output file's extension; in a folder, the input's format",
        )
    parser.set_defaults(run=run)
    return parser


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Run the command line; return the exit status."""
    catalogue = Catalogue.read(settings.networks.networks_dir)
    for problem in catalogue.problems:
        print_line(f"darkroom: {problem}")
    try:
        command = ParsedCommand.from_arguments(given, settings.uploads.max_operations)
        for operation in command.operations:
            operation.weights(catalogue)
    except (UsageError, AppError) as error:
        print_line(f"darkroom: {error}")
        return 2
    from workers.imaging import decoders

    decoders.configure_opencv(settings.uploads.max_pixels)
    # SystemExit unwinds the stack, so that temporary files are deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _process_all(command, catalogue, settings)
    except KeyboardInterrupt:
        return 130


def _process_all(command: ParsedCommand, catalogue: Catalogue, settings: Settings) -> int:
    from workers.upscaler.select import choose_engine

    failed = 0
    written: dict[Path, Path] = {}
    try:
        engine, fallback_reason = choose_engine(
            settings.networks.upscale_engine, settings.networks.upscale_precision, catalogue
        )
    except Exception as error:  # a wheel for another processor may raise anything
        print_line(f"darkroom: UPSCALE_ENGINE=openvino does not work: {error}")
        return 2
    if fallback_reason and any(operation.runs_network for operation in command.operations):
        print_line(f"darkroom: {fallback_reason}; using OpenCV instead")
    for number, source in enumerate(command.inputs, 1):
        count = f" {number}/{len(command.inputs)}" if len(command.inputs) > 1 else ""
        try:
            with progress_bar(f"{source.name}{count}") as progress:
                _process_one(source, command, catalogue, settings, progress, written, engine)
            continue
        except (AppError, CannotProcess) as error:
            reason = str(error)
        except OSError as error:
            other = f"{error.filename}: " if error.filename not in {None, str(source)} else ""
            reason = f"{other}{error.strerror or error}"
        except Exception as error:  # a bug of ours: the other pictures are still processed
            reason = f"unexpected error, please report it: {error!r}"
        failed += 1
        print_line(f"darkroom: {source}: {reason}")
    return 1 if failed else 0


def _process_one(
    source: Path,
    command: ParsedCommand,
    catalogue: Catalogue,
    settings: Settings,
    progress: Callable[[float], None],
    written: dict[Path, Path],
    engine: Engine,
) -> None:
    """Process one image.

    ``written``: files that this command already wrote, and from which image.

    Raises:
        AppError, CannotProcess, OSError: it cannot be processed.
    """
    from workers.child import task_limits
    from workers.imaging.out_of_memory import naming_shortage
    from workers.pipeline import Limits, Pipeline

    header = _inspect(source, settings.uploads.accepted_formats)
    output_encoding = final_encoding(command.operations, command.format or header.format)
    for size in result_sizes(
        command.operations, (header.width, header.height), settings.uploads.max_output_pixels
    ):
        check_side(*size, output_encoding.format)
    targets = command.targets(source, output_encoding.format)
    for target in targets:
        if target in written:
            raise CannotProcess(
                f"{target} was already written for {written[target]}; use separate output folders"
            )
        if os.path.lexists(target) and not command.force:
            raise CannotProcess(f"{target} already exists; -f overwrites it")
    parent = targets[0].parent
    need, fixed = memory_estimate.estimate(
        header, command.operations, output_encoding.format, catalogue, settings.networks.tile_pixels
    )
    memory_estimate.check_fits(need, settings.worker, fixed)
    task_limits.limit_memory(need)
    if command.folder:
        parent.mkdir(parents=True, exist_ok=True)
    elif not parent.is_dir():
        raise CannotProcess(f"the folder {parent} does not exist")
    limits = Limits(
        settings.uploads.max_pixels,
        settings.uploads.max_output_pixels,
        settings.networks.tile_pixels,
    )
    # Beside the target, so that a finished file appears there in one step.
    with tempfile.TemporaryDirectory(prefix=".darkroom-", dir=parent) as name:
        pipeline = Pipeline(
            command.operations,
            output_encoding,
            catalogue,
            limits,
            progress,
            writing=settings.encoding.encoder_settings,
            engine=engine,
            metadata=command.metadata,
            watermark=command.watermark,
        )
        with naming_shortage(need):
            outputs = pipeline.process(source, Path(name), settings.uploads.max_pixels)
        for target, output in zip(targets, outputs.results, strict=True):
            _move_into_place(output, target, command.force)
            written[target] = source


def _inspect(source: Path, accepted: Sequence[InputFormat]) -> ImageHeader:
    if source.is_dir():
        raise CannotProcess("this is a folder; name the pictures in it")
    if source.exists() and not source.is_file():
        raise CannotProcess("not a regular file: pipes and devices cannot be read twice")
    with source.open("rb") as file:
        return inspect(file, tuple(dict.fromkeys((*accepted, "gif"))))


def _move_into_place(output: Output, target: Path, force: bool) -> None:
    if not force:
        try:
            target.open("xb").close()  # fails if the file was created meanwhile
        except FileExistsError:
            raise CannotProcess(f"{target} already exists; -f overwrites it") from None
    result = Path(output.path)
    if target.exists():
        result.chmod(stat.S_IMODE(target.stat().st_mode))
    result.replace(os.path.realpath(target))  # the target of a link, not the link
