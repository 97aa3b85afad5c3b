"""The picture of a watermark: one small file that comes beside the pictures of a submission.

A task names it by its SHA-256; the file is stored as originals are, once for each owner.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import BadParameter, TooLarge, TooManyPixels
from models.images.inspect import ACCEPTED_FORMATS, ImageHeader
from models.operations.spec import Operation
from models.operations.watermark import FIELD, Watermark

FORMATS = ACCEPTED_FORMATS
"""PNG and JPEG, whatever INPUT_FORMATS says: each worker decodes them."""
MAX_BYTES = 128 * 1024
"""Of the file: a logo has some ten thousand. It fits into what a form may have beside pictures."""
MAX_PIXELS = 1_000_000
"""Of the picture: more than a share of most pictures. Its decoder takes 25 MB for them."""


def sent_in(operations: Sequence[Operation]) -> str | None:
    """Return what the first watermark that is a picture says of it; None: none is."""
    pictures = (each.picture for each in operations if isinstance(each, Watermark))
    return next((each for each in pictures if each is not None), None)


def resolve(operations: Sequence[Operation], sha256: str | None) -> list[Operation]:
    """Return ``operations`` with the SHA-256 of the file that was sent; None: none was.

    Raises:
        BadParameter: no file came, no operation uses it, or one names another.
    """
    named = sent_in(operations)
    if sha256 is None:
        if named is None:
            return list(operations)
        raise BadParameter(
            f"watermark: its picture did not come: send it as {FIELD}, e.g. "
            f"curl -F image=@cat.png -F {FIELD}=@logo.png",
            parameter=FIELD,
        )
    if named is None:
        raise BadParameter(
            f"{FIELD} came, and no operation uses it: leave out its text, or send "
            f'{{"op": "watermark", "picture": "{FIELD}"}} among the operations',
            parameter=FIELD,
        )
    if named not in {FIELD, sha256}:
        raise BadParameter(
            f"watermark: picture is the SHA-256 {named}, and the file that came as {FIELD} has "
            f"{sha256}: send picture={FIELD}",
            parameter="picture",
        )
    update = {"picture": sha256}
    return [
        each.model_copy(update=update) if isinstance(each, Watermark) and each.picture else each
        for each in operations
    ]


def check_bytes(size: int) -> None:
    """Return if a file of ``size`` bytes is short enough.

    Raises:
        TooLarge: it is not.
    """
    if size > MAX_BYTES:
        raise TooLarge(
            f"{FIELD} has more than {MAX_BYTES} bytes: a watermark is drawn small, so that a "
            "smaller one will do",
            limit=MAX_BYTES,
            measured=size,
        )


def check_header(header: ImageHeader) -> None:
    """Return if the picture is small enough.

    Raises:
        TooManyPixels: it is not.
    """
    measured = header.width * header.height
    if measured > MAX_PIXELS:
        raise TooManyPixels(
            f"{FIELD}: {header.width} x {header.height} = {measured} pixels; at most {MAX_PIXELS} "
            "are allowed: it is drawn as large as share says, so that a smaller one will do",
            limit=MAX_PIXELS,
            measured=measured,
        )
