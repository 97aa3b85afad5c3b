"""Pictures that are no photographs: a page of text, drawings, a screenshot, a gradient, tiles."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def page(width: int = 401, height: int = 299) -> Image.Image:
    """Return lines of text, black on white, in one bit; the width is odd."""
    image = Image.new("1", (width, height), 1)
    pen = ImageDraw.Draw(image)
    for y in range(10, height - 15, 14):
        pen.text((9, y), f"The quick brown fox jumps over the lazy dog, {y} times", fill=0)
    return image


def drawing(colours: int, width: int = 401, height: int = 299) -> Image.Image:
    """Return the page on stripes, with a palette of ``colours``."""
    levels = np.linspace(0, 255, colours).astype(np.uint8)
    palette = np.stack([levels, levels[::-1], np.roll(levels, 3)], axis=1)
    indexes = np.tile(np.arange(width) * colours // width, (height, 1)).astype(np.uint8)
    indexes[np.asarray(page(width, height)) == 0] = 0
    image = Image.fromarray(indexes, "P")
    image.putpalette(palette.tobytes())
    return image


def screenshot(width: int = 640, height: int = 400) -> Image.Image:
    """Return a window with a menu, lines of text and more than 256 colours, as RGB."""
    image = Image.new("RGB", (width, height), (245, 246, 248))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width, 30), fill=(36, 41, 47))
    for x in range(90):
        pen.line((x, 31, x, height), fill=(232 - x, 235, 240 - x // 2))
    for y in range(40, height - 15, 16):
        text = f"2024-11-28 16:45:53 INFO request served in {y} ms"
        pen.text((100, y), text, fill=(30, y % 99, 9))
        pen.rectangle(
            (width - 60, y, width - 60 + y % 50, y + 9), fill=(9, 105, 255 - y % 256 // 2)
        )
    return image


def gradient(width: int = 500, height: int = 300) -> Image.Image:
    """Return a smooth picture with a disc, as RGB, of which only filters make few bytes."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 // width, y * 255 // height, np.full_like(x, 90)]
    image = Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))
    ImageDraw.Draw(image).ellipse((90, 60, 300, 200), fill=(200, 30, 90))
    return image


def tiles() -> Image.Image:
    """Return noise, the same in each tile, as RGB: no row resembles the one above."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return Image.fromarray(np.tile(noise, (15, 20, 1)))
