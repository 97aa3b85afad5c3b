"""Encoder settings change the bytes of results and the fingerprints of tasks."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.images.encoder_settings import DEFAULT, EncoderSettings
from models.images.inspect import OutputFormat
from models.operations import Encoding
from models.operations.fingerprint import fingerprint
from models.operations.upscale import Upscale
from models.settings import Settings
from tests.support import images
from tests.workers.imaging import encode
from workers.child.pool import ChildPool
from workers.child.request import Request
from workers.imaging.picture import Picture

SCENE = np.ascontiguousarray(images.scene(200, 150)[:, :, ::-1])


def test_every_field_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().encoding.encoder_settings == DEFAULT
    monkeypatch.setenv("PNG_LEVEL", "7")
    monkeypatch.setenv("JPEG_QUALITY", "80")
    monkeypatch.setenv("JPEG_SUBSAMPLING", "4:2:0")
    monkeypatch.setenv("WEBP_QUALITY", "70")
    assert Settings().encoding.encoder_settings == EncoderSettings(7, 80, "4:2:0", 70)


@pytest.mark.parametrize(
    ("output", "change"),
    [
        ("png", {"png_level": 6}),
        ("jpeg", {"jpeg_quality": 80}),
        ("jpeg", {"jpeg_subsampling": "4:2:0"}),
        ("webp", {"webp_quality": 50}),
    ],
)
def test_setting_changes_only_its_format_and_fingerprints(
    output: OutputFormat, change: dict[str, Any]
) -> None:
    changed = replace(DEFAULT, **change)
    picture = Picture(SCENE)
    usual = encode(picture, Encoding(output), DEFAULT)
    assert encode(picture, Encoding(output), changed) != usual
    assert encode(picture, Encoding(output)) == usual
    formats: tuple[OutputFormat, ...] = ("png", "jpeg", "webp", "avif")
    for each in formats:
        one, other = (
            fingerprint("a" * 64, [Upscale()], each, [], writing) for writing in (DEFAULT, changed)
        )
        assert (one != other) == (each == output)


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("icc", [None, b"no profile that libpng takes"])
def test_every_png_level_is_lossless(level: int, icc: bytes | None) -> None:
    data = encode(Picture(SCENE, None, icc), Encoding("png"), EncoderSettings(png_level=level))
    assert (np.asarray(images.decoded(data)) == images.scene(200, 150)).all()


def test_children_get_the_encoder_settings() -> None:
    chosen = Settings().replace(png_level=3, jpeg_subsampling="4:2:2")
    assert ChildPool(chosen)._setup["writing"] == asdict(chosen.encoding.encoder_settings)


@pytest.mark.integration
def test_child_applies_the_encoder_settings(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(images.png(200, 150))
    request = Request(str(source), str(tmp_path), [], "jpeg")

    async def size(**settings: int) -> int:
        children = ChildPool(Settings().replace(worker_processes=1, **settings))
        await children.start()
        try:
            answer = await children.run(request, lambda *_: None)
        finally:
            await children.stop()
        return int(answer["results"][0]["bytes"])

    assert asyncio.run(size(jpeg_quality=40)) < asyncio.run(size()) / 2
