"""A form as JSON, whose pictures are base64; they are decoded to the spool while they stream in.

    {"image": "data:image/png;base64,iVBORw0...", "scale": 2}

Tools that cannot make multipart forms send it. Only texts up to MAX_FIELD_BYTES are kept in memory:
a longer one can only be a picture.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from models.errors import BadParameter, BadRequest, TooLarge
from models.operations import watermark_picture
from models.operations.watermark import FIELD
from service.http.request_body import MAX_FIELD_BYTES, Body, check_limit, form_limit
from service.uploads.form import (
    DELIVER_URL,
    IMAGE_URL,
    Form,
    FormBuilder,
    check_watermark,
)
from service.uploads.incoming_file import IncomingFile
from service.uploads.json_reader import BASE64, JsonReader, Pictures
from service.uploads.raw_body import FILENAME


async def read_json_form(request: web.Request, builder: FormBuilder) -> None:
    """Fill the form that the body describes as a JSON object.

    ``image`` is base64, also as a data URL, or a list of them; ``filename`` its name, or a list.
    ``watermark_image`` is base64, too, where ``shape`` takes it.
    Numbers count as their text, true and false as 1 and 0, null as a field that is not sent.

    Raises:
        BadRequest: it is not such an object. BadParameter: a field is not a text or number.
        UnsupportedFormat, TooLarge, UploadTooSlow, InsufficientResources: as of a form.
    """
    shape, settings = builder.shape, builder.settings
    limit, setting, beside = form_limit(shape.max_files, settings)
    # Base64 is a third longer, and its lines may end and its signs be escaped.
    body = Body(request, settings, limit, setting, beside + limit // 2 + settings.max_json_bytes)
    pictures, builder.spare = Pictures(builder), int(shape.watermark)
    reader = JsonReader(pictures, settings.max_json_bytes)
    async for data in builder.spooled(body):
        reader.take(data)
    document = reader.finish()
    if not isinstance(document, dict):
        raise BadRequest(f'the body is not a JSON object; e.g. {{"image": "{BASE64}"}}')
    given = document.pop(shape.file_field, None)
    second = document.pop(FIELD, None) if shape.watermark else None
    _arrange(builder, pictures, reader.marks, given, second)
    builder.spare = 0
    count = len(builder.form.files)
    check_limit(count, shape.max_files, "pictures or more came", "MAX_BATCH", BadRequest)
    _name(builder.form, document.pop(FILENAME, None))
    repeated = shape.repeated | {IMAGE_URL, DELIVER_URL}
    for name, value in document.items():
        for each in _texts(name, value, name in repeated):
            builder.add_field(name, each)


def _arrange(
    builder: FormBuilder, pictures: Pictures, marks: list[str], given: Any, second: Any
) -> None:
    """Decode the short pictures in ``given``, and put all of them into their order.

    ``second``: the picture of a watermark, or None.
    """
    files, arrived = builder.form.files, dict(zip(marks, builder.form.files, strict=True))

    def file_of(each: Any) -> IncomingFile:
        if not isinstance(each, str):
            raise BadRequest(f"'image' is not a text; send {BASE64}", field="image")
        file = arrived.pop(each, None)
        if file is None:
            pictures.begin(each.encode("utf-8", "replace"))
            pictures.end()
            file = files[-1]
        return file

    listed = [] if given is None else given if isinstance(given, list) else [given]
    ordered = [file_of(each) for each in listed]
    if second is not None:
        builder.form.watermark = file_of(second).restricted_to(watermark_picture.FORMATS)
        check_watermark(builder.form.watermark)
    if arrived:
        raise TooLarge(
            f"a text that is not 'image' is longer than {MAX_FIELD_BYTES} bytes",
            limit=MAX_FIELD_BYTES,
        )
    files[:] = ordered


def _name(form: Form, given: Any) -> None:
    names = [] if given is None else given if isinstance(given, list) else [given]
    if not all(isinstance(each, str) for each in names) or len(names) > len(form.files):
        raise BadParameter(
            f"filename is no text, or a list that is longer than that of 'image' "
            f"({len(form.files)})",
            parameter=FILENAME,
        )
    for file, name in zip(form.files, names, strict=False):
        file.rename(name)


def _texts(name: str, value: Any, repeated: bool) -> list[str]:
    """Return the value of a field as a form would send it."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [str(int(value))]
    if isinstance(value, str):
        return [value]
    if isinstance(value, int | float):
        return [json.dumps(value)]
    if repeated:
        listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return list(value) if listed else [json.dumps(value)]
    shown = ascii(name[:40])[1:-1]
    raise BadParameter(f"{shown} is not a text or a number", parameter=shown)
