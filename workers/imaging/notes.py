"""What had to be given up or changed, in words for whoever gets the result."""

from __future__ import annotations

from PIL import Image

FOR_FORMAT = "16-bit samples were reduced to 8 bits: the format of the result holds no more"
FOR_NETWORK = "16-bit samples were reduced to 8 bits: upscaling networks work in 8"
FOR_PROFILE = "16-bit samples were reduced to 8 bits: colour profiles are applied in 8"
FIRST_FRAME = "of an animation the first frame was taken"
FROM_CMYK = "CMYK colours were converted to sRGB"
GAMMA = "the file's gamma was applied: the result is in sRGB"
ON_WHITE = "what was transparent was laid on white"


def of_file(file: Image.Image) -> tuple[str, ...]:
    """Return what decoding ``file`` changes.

    Of a GIF nothing is said of frames: to count them is to walk through all of them.
    """
    found = []
    if file.format == "PNG" and getattr(file, "n_frames", 1) > 1:
        found.append(FIRST_FRAME)
    if file.mode == "CMYK":
        found.append(FROM_CMYK)
    return tuple(found)
