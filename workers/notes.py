"""What a decoder had to give up or change, in words for whoever gets the result."""

from __future__ import annotations

from PIL import Image

REDUCED = "16-bit samples were reduced to 8 bits"
FIRST_FRAME = "of an animation the first frame was taken"
FROM_CMYK = "CMYK colours were converted to sRGB"
GAMMA = "the file's gamma was applied: the result is in sRGB"
ON_WHITE = "what was transparent was laid on white"


def of_file(file: Image.Image, stored: str) -> tuple[str, ...]:
    """Return what decoding ``file`` changes; ``stored`` is the raw mode its samples are stored in.

    Of a GIF nothing is said of frames: to count them is to walk through all of them.
    """
    found = []
    if ";16" in stored:
        found.append(REDUCED)
    if file.format == "PNG" and getattr(file, "n_frames", 1) > 1:
        found.append(FIRST_FRAME)
    if file.mode == "CMYK":
        found.append(FROM_CMYK)
    return tuple(found)
