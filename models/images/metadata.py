"""Which metadata results carry: the choice of a request, and how much they may be.

Metadata is EXIF, XMP and IPTC. Every result repeats that of its picture, so that it is limited like
the colour profile (``models.images.icc``).
"""

from __future__ import annotations

from typing import Literal, get_args

from models.errors import BadParameter

MetadataChoice = Literal["none", "safe", "all"]
"""none: nothing; safe: copyright, author and capture date; all: EXIF, XMP and IPTC."""

METADATA = (
    "What results keep of the picture's metadata: none, safe (author, copyright and capture date) "
    "or all (EXIF, XMP and IPTC, without thumbnails); by default none. The picture is upright in "
    "each case."
)
"""The choice in words, for the API's documents and the command line."""

MAX_BLOCK_BYTES = 65_500
"""Maximum bytes of each of the three: of a segment of a JPEG, 65,533 bytes, without its heads."""

_KINDS = 3


def read_choice(text: str) -> MetadataChoice:
    """Return the choice that ``text`` names; empty is none.

    Raises:
        BadParameter: it names no choice.
    """
    for choice in get_args(MetadataChoice):
        if (text.strip().lower() or "none") == choice:
            found: MetadataChoice = choice
            return found
    known = get_args(MetadataChoice)
    raise BadParameter(
        f"metadata {text[:20]!a} is not supported; known: {', '.join(known)}",
        parameter="metadata",
        known=list(known),
    )


def most_bytes(choice: MetadataChoice) -> int:
    """Return the bytes of metadata that a result has at most, beside the head of its file."""
    return _KINDS * MAX_BLOCK_BYTES if choice == "all" else 0
