"""The picture of a watermark on the command line: ``--watermark-image logo.png``."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from models.errors import BadParameter
from models.images.inspect import inspect
from models.operations import Operation, watermark_picture
from models.operations.watermark import FIELD

OPTION = f"--{FIELD.replace('_', '-')}"


def resolve(operations: Sequence[Operation], path: Path | None) -> list[Operation]:
    """Return ``operations`` with the SHA-256 of the file at ``path``; None: there is none.

    Raises:
        BadParameter: it is needed and not given, given and not needed, or cannot be read.
        AppError: it is no PNG or JPEG, is broken, or too large.
    """
    if path is None:
        if watermark_picture.sent_in(operations) is not None:
            raise BadParameter(f"the picture of the watermark is missing: add {OPTION} logo.png")
        return list(operations)
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(path.stat().st_mode):
                raise BadParameter(f"{OPTION} {path}: not a regular file")
            data = file.read(watermark_picture.MAX_BYTES + 1)
            watermark_picture.check_bytes(len(data))
            watermark_picture.check_header(inspect(file, watermark_picture.FORMATS))
    except OSError as error:
        raise BadParameter(f"{OPTION} {path}: {error.strerror}") from None
    return watermark_picture.resolve(operations, hashlib.sha256(data).hexdigest())
