"""The picture of a watermark that a form brings: checked, and named by the operations."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import AppError
from models.operations import Operation, watermark_picture
from models.operations.watermark import FIELD
from service.uploads.form import Form


async def with_watermark(form: Form, operations: Sequence[Operation]) -> Sequence[Operation]:
    """Return ``operations`` with the SHA-256 of the picture, where they name it.

    Raises:
        BadParameter: it did not come, or no operation uses it.
        AppError: it is no PNG or JPEG, is broken, or too large.
    """
    second = form.watermark
    if second is None:
        return watermark_picture.resolve(operations, None)
    try:
        await second.validate()
    except AppError as error:
        detail = error.detail.removeprefix(f"{FIELD}: ")
        raise type(error)(f"{FIELD}: {detail}", **error.facts) from None
    watermark_picture.check_header(second.header)
    return watermark_picture.resolve(operations, second.sha256)
