"""Notes for users: what the result lost or how it changed."""

from __future__ import annotations

from PIL import Image

REDUCED_FOR_FORMAT = "16-bit samples were reduced to 8 bits: the result format stores no more"
REDUCED_FOR_NETWORK = "16-bit samples were reduced to 8 bits: upscaling networks work in 8 bits"
REDUCED_FOR_PROFILE = "16-bit samples were reduced to 8 bits: colour profiles are applied in 8 bits"
FIRST_FRAME = "only the first frame of the animation was used"
FROM_CMYK = "CMYK colours were converted to sRGB"
GAMMA = "the file's gamma was applied: the result is sRGB"
ON_WHITE = "transparent areas were placed on white"


def for_decoding(file: Image.Image) -> tuple[str, ...]:
    """Return the notes for decoding ``file``.

    Frames of a GIF are not counted: that would decode all of them.
    """
    notes = []
    if file.format == "PNG" and getattr(file, "n_frames", 1) > 1:
        notes.append(FIRST_FRAME)
    if file.mode == "CMYK":
        notes.append(FROM_CMYK)
    return tuple(notes)
