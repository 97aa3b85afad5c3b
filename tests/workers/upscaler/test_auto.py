"""quality=auto: photo for damaged photographs, balanced for clean ones and for text."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from models.operations import parse
from models.operations.photo import FAITHFUL, PHOTO
from tests.conftest import Client
from tests.support import images
from tests.workers.operations import apply
from tests.workers.upscaler.test_degradation import jpeg, noisy, photograph
from workers.imaging.picture import Picture, Pixels
from workers.upscaler.auto import choose, is_damaged
from workers.upscaler.degradation import Degradation

DAMAGED = [(PHOTO, 2), (FAITHFUL, 2)]
CLEAN = [(FAITHFUL, 2)]


def text(ink: str, ground: str, size: int) -> Pixels:
    image = Image.new("RGB", (160, 120), ground)
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(range(2, 120, int(size * 1.4))):
        line = "The five boxing wizards jump quickly 0123456789 "[number:] * 3
        draw.text((3, row), line, fill=ink, font=ImageFont.load_default(size))
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


@pytest.mark.parametrize("number", range(3))
def test_damage_of_photographs_chooses_photo(number: int) -> None:
    clean = photograph(number)
    for pixels in (clean, jpeg(clean, 95), noisy(clean, 1)):
        networks, note = choose(Picture(pixels), 80, 2)
        assert list(networks) == CLEAN, note
    for pixels in (jpeg(clean, 70), jpeg(clean, 40), noisy(clean, 4), noisy(jpeg(clean, 50), 3)):
        networks, note = choose(Picture(pixels), 80, 2)
        assert list(networks) == DAMAGED, note


@pytest.mark.parametrize("size", [11, 16, 30])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [("black", "white"), ("#e8e6da", "#20242c"), ("#c00000", "white"), ("#5a5a5a", "#fff8ee")],
)
def test_text_and_graphics_never_choose_photo(ink: str, ground: str, size: int) -> None:
    drawn = text(ink, ground, size)
    gray = np.asarray(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY), np.uint8)
    for pixels in (drawn, jpeg(drawn, 75), jpeg(drawn, 40), noisy(drawn, 3), jpeg(gray, 40)):
        networks, note = choose(Picture(pixels, jpeg_quality=40), 80, 2)
        assert list(networks) == CLEAN, note
        assert note == "quality=auto: text or graphics: balanced"


def test_what_the_file_says_counts_if_it_is_worse() -> None:
    picture = photograph()
    assert choose(Picture(picture, jpeg_quality=40), 80, 2)[0] == DAMAGED
    worse = jpeg(picture, 40)
    assert choose(Picture(worse, jpeg_quality=95), 80, 2)[0] == DAMAGED
    assert "JPEG quality about 35" in choose(Picture(worse, jpeg_quality=35), 80, 2)[1]


def test_strength_decides_what_runs() -> None:
    damaged = Picture(jpeg(photograph(), 40))
    assert choose(damaged, 100, 3)[0] == [(PHOTO, 3)]
    assert choose(damaged, 0, 3)[0] == [(FAITHFUL, 3)]


def test_noise_and_compression_add_up() -> None:
    assert not is_damaged(Degradation(None, 2.5))
    assert is_damaged(Degradation(None, 3))
    assert not is_damaged(Degradation(85, 0.5))
    assert is_damaged(Degradation(85, 1.5))
    assert is_damaged(Degradation(75, 0))


def test_the_result_is_that_of_the_chosen_network_and_says_why() -> None:
    clean, damaged = photograph()[:40, :50], jpeg(photograph(), 40)[:64, :72]
    for pixels, model in ((clean, FAITHFUL), (damaged, PHOTO)):
        source = Picture(
            np.ascontiguousarray(pixels),
            notes=("first",),
            jpeg_quality=40 if model == PHOTO else None,
        )
        made = apply(source, parse("upscale", {"quality": "auto"}))
        same = apply(source, parse("upscale", {"model": model}))
        assert (made.pixels == same.pixels).all()
        assert made.notes[0] == "first"
        assert made.notes[1].startswith("quality=auto: ")
        assert made.notes[1].endswith(": photo" if model == PHOTO else ": balanced")
    deep = Picture(clean.astype(np.uint16) * np.uint16(257))
    assert len(apply(deep, parse("upscale", {"quality": "auto"})).notes) == 2


async def test_the_note_is_in_the_response(client: Client, worker: Any) -> None:
    ok, data = cv2.imencode(".jpg", photograph(), [cv2.IMWRITE_JPEG_QUALITY, 40])
    assert ok
    form = images.form(bytes(data), "cat.jpg", quality="auto", strength="60")
    body = await (await client.post("/upscale?wait=30", data=form)).json()
    assert body["operations"] == [
        {"op": "upscale", "scale": 2, "model": "darkroom-auto", "strength": 60}
    ]
    assert body["status"] == "SUCCESS"
    (note,) = body["results"][0]["notes"]
    assert note.startswith("quality=auto: JPEG quality about ")
    assert note.endswith(" levels: photo")
    form = images.form(bytes(data), "cat.jpg", strength="60")
    refused = await client.post("/upscale", data=form)
    assert refused.status == 422
    assert "strength" in (await refused.json())["detail"]
    form = images.form(bytes(data), "cat.jpg", operations='["restore=90", "grayscale"]')
    body = await (await client.post("/process?wait=30", data=form)).json()
    assert (body["status"], body["results"][0]["width"]) == ("SUCCESS", 128)
