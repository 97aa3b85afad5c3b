"""What is said of a damaged picture, and how much damage is too much."""

from __future__ import annotations

from models.errors import BadImage

MAX_MISSING_SHARE = 0.1
"""Of the pixels. A strip at an edge can be cropped; with more, the subject itself is hit, and who
sent the picture has a better copy or wants to know that there is none."""

LESS_DETAIL = (
    "the JPEG file is damaged or ends early: the whole picture is there, but a part of its finer "
    "detail is missing"
)
WRONG_CHECKSUM = (
    "the checksum over the pixels of the PNG file is wrong or missing: all are there, but some may "
    "be damaged"
)


def left_over(share: float) -> str:
    """Return the note for a JPEG whose last pixels came before the last ``share`` of its data."""
    return (
        f"the JPEG file is damaged: {_percent(share)} of its data were left over after the last "
        "pixel, so a part of the picture may be shifted or have wrong colours"
    )


def may_end_early(share: float) -> str:
    """Return the note for an arithmetic-coded JPEG without data for ``share`` of the picture.

    A coder leaves out zeros at the end, so that a plain rest needs no data either.
    """
    return (
        f"the JPEG file may end early: {_percent(share)} of the picture, which looks plain, has no "
        "data of its own"
    )


def missing(format_name: str, share: float, more: bool = False) -> str:
    """Return the note for a picture of which ``share``, 0 to 1, is missing.

    ``more``: whether what is there may be wrong, since it is not known where the damage begins.

    Raises:
        BadImage: that is more than ``MAX_MISSING_SHARE``.
    """
    said = f"the {format_name} file is damaged or ends early: {_percent(share)} of the picture"
    if share > MAX_MISSING_SHARE:
        raise BadImage(
            f"{said} cannot be decoded; at most {MAX_MISSING_SHARE:.0%} may be missing: send all "
            "of it, or a sound copy",
            limit=MAX_MISSING_SHARE,
            measured=round(share, 3),
        )
    return f"{said} is missing" + (", and more may be wrong" if more else "")


def _percent(share: float) -> str:
    if share < 0.01:
        return "less than 1%"
    # 10.3% is not refused for being 10%.
    is_just_above = share > MAX_MISSING_SHARE and round(share, 2) <= MAX_MISSING_SHARE
    return f"{share:.1%}" if is_just_above else f"{share:.0%}"
