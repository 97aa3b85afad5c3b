"""What a task needs of the worker that does it, so that any of them gives what was promised.

A worker says with each heartbeat what it has, and claims only tasks that need no more. What changes
a result's bytes is in the fingerprint, too: the same fingerprint means the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from models.images.encoder_settings import EncoderSettings
from models.images.inspect import MEDIA_TYPES, InputFormat, OutputFormat, decoded_formats
from models.networks.catalogue import Catalogue, Weights
from models.operations.fingerprint import PIPELINE_VERSION
from models.settings import Settings

_EXTRA_DECODERS: frozenset[InputFormat] = frozenset({"heic"})
"""Formats that a worker decodes only with a package that it may lack."""


_ANIMATIONS = "animations"  # that are kept; older workers use the first frame


_WATERMARK_PICTURES = "watermark pictures"  # that older workers do not know


class Abilities(BaseModel):
    """Of a worker: what it has; of a task: what it needs.

    ``parts``: the version of the pipeline, the settings of encoders by format, the precision of
    networks, networks by their SHA-256, decoders that are an extra. ``pixels`` and
    ``result_pixels``: the largest picture.
    """

    model_config = ConfigDict(frozen=True)

    parts: tuple[str, ...] = ()
    pixels: int = 0
    result_pixels: int = 0

    @property
    def kind(self) -> str:
        """A short text that is equal for equal abilities only."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]

    @classmethod
    def of_worker(cls, settings: Settings, catalogue: Catalogue) -> Abilities:
        writing, uploads = settings.encoding.encoder_settings, settings.uploads
        parts = {
            _pipeline(),
            *(_encoder(writing, output) for output in MEDIA_TYPES),
            _precision(settings),
            _ANIMATIONS,
            _WATERMARK_PICTURES,
            *map(_network, catalogue.available()),
            *map(_decoder, _EXTRA_DECODERS & {*decoded_formats()}),
        }
        return cls(
            parts=tuple(sorted(parts)),
            pixels=uploads.max_pixels,
            result_pixels=uploads.max_output_pixels,
        )

    @classmethod
    def for_task(
        cls,
        settings: Settings,
        output: OutputFormat,
        weights: Sequence[Weights],
        size: tuple[int, int],
        result_sizes: Sequence[tuple[int, int]],
        kind: InputFormat = "png",
        frames: int = 1,
        watermark_picture: bool = False,
    ) -> Abilities:
        """Return what a picture of ``size`` needs, by the settings of the service that promises.

        ``kind``: its format. ``frames``: of an animation that is kept; limits count them together.
        ``watermark_picture``: whether one is laid over it.
        """
        parts = {_pipeline(), _encoder(settings.encoding.encoder_settings, output)}
        if weights:
            parts |= {_precision(settings), *map(_network, weights)}
        parts |= {*map(_decoder, _EXTRA_DECODERS & {kind})} | (
            {_ANIMATIONS} if frames > 1 else set()
        )
        parts |= {_WATERMARK_PICTURES} if watermark_picture else set()
        return cls(
            parts=tuple(sorted(parts)),
            pixels=size[0] * size[1] * frames,
            result_pixels=frames * max((w * h for w, h in result_sizes), default=0),
        )


def differences(programs: Iterable[Abilities]) -> list[str]:
    """Return what some of ``programs``, services or workers, have and others do not."""
    each = list(programs)
    counts = Counter(part for one in each for part in one.parts)
    found = sorted(part for part, count in counts.items() if count < len(each))
    for setting, values in (
        ("MAX_PIXELS", {one.pixels for one in each}),
        ("MAX_OUTPUT_PIXELS", {one.result_pixels for one in each}),
    ):
        if len(values) > 1:
            found.append(f"{setting} {', '.join(map(str, sorted(values)))}")
    return found


def _pipeline() -> str:
    return f"pipeline {PIPELINE_VERSION}"


def _encoder(writing: EncoderSettings, output: OutputFormat) -> str:
    return " ".join([output, *map(str, writing.fingerprint_parts(output))])


def _decoder(kind: InputFormat) -> str:
    return f"decoder {kind}"


def _precision(settings: Settings) -> str:
    return f"precision {settings.networks.upscale_precision}"


def _network(weights: Weights) -> str:
    return f"network {weights.sha256}"
