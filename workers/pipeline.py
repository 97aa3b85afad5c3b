"""One task's pixels: decode once, every operation in order, encode each result once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

from models import animation as animations
from models.errors import BadParameter
from models.images.encoder_settings import DEFAULT, EncoderSettings
from models.images.inspect import EXTENSIONS, ImageHeader, InputFormat, inspect
from models.images.metadata import MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import Encoding, Operation, watermark_picture
from models.operations.steps import result_count, result_sizes
from workers.imaging import animation, animation_writer, codec, mending
from workers.imaging.animation import Frame
from workers.imaging.picture import Picture
from workers.imaging.writer import Output, write
from workers.operations import Tools, run
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE

_LOSSLESS = Encoding("png")


@dataclass(frozen=True)
class Limits:
    """Limits of the pipeline; see the settings of the same names."""

    max_pixels: int
    max_output_pixels: int
    tile_pixels: int


@dataclass
class Outputs:
    """Results in order, and intermediate results by the number of operations applied."""

    results: list[Output] = field(default_factory=list)
    kept: dict[int, Output] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    ms: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {
            "results": [asdict(output) for output in self.results],
            "kept": {str(count): asdict(output) for count, output in self.kept.items()},
            "report": self.report,
            "ms": self.ms,
        }


class Pipeline:
    """Applies ``operations`` to one image file; parts of a split are processed depth first.

    So only one part at a time is in memory beside the image it was cut from.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        encoding: Encoding,
        catalogue: Catalogue,
        limits: Limits,
        progress: Callable[[float], None],
        keep: Collection[int] = (),
        writing: EncoderSettings = DEFAULT,
        report: bool = False,
        engine: Engine = REFERENCE,
        metadata: MetadataChoice = "none",
        step_seconds: Sequence[float] = (),
        watermark: Path | None = None,
    ) -> None:
        """``progress`` is called with the share of all the work done, 0 to 1.

        It is called when a step begins, too; ``until`` is the share that this step leads to.
        ``step_seconds``: predicted for decoding, each operation and encoding, each for all parts of
        the picture: the shares of the work; () counts the operations alone, and all as equal.
        ``keep``: numbers of operations after which the picture is also written without loss, unless
        it is larger than an upload may be: that would take as much memory again. ``report``:
        whether to measure upscales and return the measurements; stage times are always returned.
        ``metadata``: what results keep of it. ``watermark``: the picture that a watermark lays over
        it.
        """
        self._operations = operations
        self._encoding = encoding
        self._catalogue = catalogue
        self._limits = limits
        self._progress = progress
        self._keep = frozenset(keep)
        self._writing = writing
        self._stage_ms: dict[str, float] = {}
        self._reports = report
        self._upscales: list[dict[str, Any]] | None = [] if report else None
        self._engine = engine
        self._metadata = metadata
        self._watermark: Callable[[], Picture] | None = None
        if watermark is not None:
            self._watermark = cache(partial(codec.decode, watermark, watermark_picture.MAX_PIXELS))
        counts = [result_count(operations[:count]) for count in range(len(operations))]
        weights = step_seconds or [0.0, *counts, 0.0]
        # Of one run of each step: after a split there are several.
        times = [1, *counts, result_count(operations)]
        total = sum(weights) or 1.0
        self._shares = [weight / total / n for weight, n in zip(weights, times, strict=True)]
        self._done, self._share, self._told = 0.0, 0.0, 0.0
        self.until = 0.0
        """The share of the work that is done at the end of the current step."""

    def process(
        self, source: Path, folder: Path, max_pixels: int, notes: Sequence[str] = ()
    ) -> Outputs:
        """Process the image file ``source``; write results into ``folder`` and return them.

        ``notes``: from earlier steps.

        Raises:
            AppError: the image or a parameter is invalid; a retry would not help.
        """
        header = self._animation_header(source)
        if header is not None:
            return self._animate(source, folder, header, max_pixels)
        minimum_size = self._operations[0].minimum_decode_size if self._operations else None
        with self._timed("decode"), self._step(0):
            picture = mending.decode(source, folder, max_pixels, minimum_size, self._metadata)
        picture = replace(picture, notes=(*notes, *picture.notes))
        result_sizes(self._operations, picture.size, self._limits.max_output_pixels)
        outputs = Outputs()
        finished = self._run(picture, 0, folder, outputs)
        del picture  # here and below: input and output must not be in memory together
        for number, part in enumerate(finished, 1):
            path = folder / f"result-{number}.{EXTENSIONS[self._encoding.format]}"
            with self._timed("encode"), self._step(-1):
                outputs.results.append(write(part, self._encoding, self._writing, path))
        outputs.ms = {stage: round(spent, 1) for stage, spent in self._stage_ms.items()}
        if self._upscales is not None:
            outputs.report = {"ms": outputs.ms, "upscales": self._upscales}
        return outputs

    def _animation_header(self, source: Path) -> ImageHeader | None:
        """Return the header of an animation that is kept; None: a still picture is made."""
        if self._encoding.frames == "first" and self._encoding.format != "gif":
            return None
        with source.open("rb") as file:
            header = inspect(file, get_args(InputFormat))
        return header if header.frames > 1 or self._encoding.format == "gif" else None

    def _animate(self, source: Path, folder: Path, header: ImageHeader, max_pixels: int) -> Outputs:
        """Process each frame, one at a time, and encode it before the next is decoded."""
        limit, encoding = self._limits.max_output_pixels, self._encoding
        count, _ = animations.check(header, self._operations, encoding, max_pixels, limit)
        tools = Tools(
            self._catalogue,
            self._limits.tile_pixels,
            lambda _: None,
            engine=self._engine,
            watermark=self._watermark,
        )

        def changed(frames: Iterator[Frame]) -> Iterator[Frame]:
            for number in range(count):
                self.until = (number + 1) / count
                self._progress(number / count)
                with self._timed("decode"):
                    frame = next(frames)
                picture = frame.picture
                for operation in self._operations:
                    with self._timed(operation.op):
                        (picture,) = run(picture, operation, tools)
                yield Frame(picture, frame.milliseconds)

        path = folder / f"result-1.{EXTENSIONS[encoding.format]}"
        began = time.perf_counter()
        with animation.read(source, header, self._metadata) as found:
            made = animation.Animation(found.plays, changed(found.frames))
            output = animation_writer.write(made, count, encoding, self._writing, path)
        spent = (time.perf_counter() - began) * 1000
        self._stage_ms["encode"] = spent - sum(self._stage_ms.values())
        ms = {stage: round(each, 1) for stage, each in self._stage_ms.items()}
        return Outputs(
            [output], ms=ms, report={"ms": ms, "upscales": []} if self._reports else None
        )

    def _run(
        self, picture: Picture, count: int, folder: Path, outputs: Outputs
    ) -> Iterator[Picture]:
        """Yield the results of ``picture``, to which ``count`` operations were applied already."""
        if count in self._keep and picture.width * picture.height <= self._limits.max_pixels:
            path = folder / f"kept-{count}.png"
            outputs.kept[count] = write(picture, _LOSSLESS, self._writing, path)
        if count == len(self._operations):
            yield picture
            return
        tools = Tools(
            self._catalogue,
            self._limits.tile_pixels,
            self._report_progress,
            report=None if self._upscales is None else self._upscales.append,
            engine=self._engine,
            watermark=self._watermark,
        )
        with self._timed(self._operations[count].op), self._step(count + 1):
            changed = self._apply(picture, count, tools)
        del picture
        while changed:
            yield from self._run(changed.pop(0), count + 1, folder, outputs)

    def _apply(self, picture: Picture, count: int, tools: Tools) -> list[Picture]:
        """Return what the operation after the first ``count`` makes of ``picture``.

        Raises:
            BadParameter: it does not fit; a submission cannot be refused for a size that an
                operation found.
        """
        try:
            return run(picture, self._operations[count], tools)
        except BadParameter as error:
            found = [each.op for each in self._operations[:count] if each.finds_size]
            if not found:
                raise
            detail = f"{error.detail} (after {found[0]}, which found that size)"
            raise BadParameter(detail, **error.facts) from None

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        elapsed_ms = (time.perf_counter() - start) * 1000
        self._stage_ms[stage] = self._stage_ms.get(stage, 0.0) + elapsed_ms

    @contextmanager
    def _step(self, number: int) -> Iterator[None]:
        """Count a step as done at its end."""
        self._share, self._told = self._shares[number], 0.0
        self.until = self._done + self._share
        self._progress(self._done)
        yield
        self._done += self._share

    def _report_progress(self, share: float) -> None:
        """Report ``share`` of the operation; its next step is as large as the last."""
        step, self._told = max(0.0, share - self._told), share
        self.until = self._done + self._share * min(1.0, share + step)
        self._progress(self._done + self._share * share)
