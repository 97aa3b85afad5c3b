"""Small forms without files: multipart, urlencoded or JSON, at most MAX_JSON_BYTES."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from models.errors import BadParameter, BadRequest, TooLarge
from models.settings.uploads import UploadSettings
from service.app_keys import SETTINGS
from service.http.request_body import MAX_FIELDS, content_type, parse_json, read_body
from service.uploads.disk_space import DISK_SPACE
from service.uploads.form import FormBuilder, FormShape
from service.uploads.multipart import read_multipart
from service.uploads.spool import Spool

_PICTURE_HINT = (
    "a picture as the body needs its type, e.g. curl -H 'Content-Type: image/png' --data-binary "
    "@cat.png, or curl -T cat.png"
)
_FORMS = "multipart/form-data, application/x-www-form-urlencoded or application/json"


async def read_fields(request: web.Request, *known: str) -> dict[str, str]:
    """Return the fields of a small form that were sent.

    Raises:
        BadRequest: not a form, or malformed.
        BadParameter: an unknown field, or not a text.
        TooLarge, UploadTooSlow: more than MAX_JSON_BYTES, a field of more than MAX_FIELD_BYTES, or
            too slow, see the settings.
    """
    settings, disk = request.app[SETTINGS].uploads, request.app[DISK_SPACE]
    with Spool() as spool:
        shape = FormShape({}, max_files=0, known=known)
        builder = FormBuilder(spool, shape, settings, disk.free_space)
        if content_type(request)[0] == "multipart/form-data":
            await read_multipart(request, builder)
        else:
            for name, value in await _pairs(request, settings):
                builder.add_field(name, value)
    return dict(builder.form.fields)


async def _pairs(request: web.Request, settings: UploadSettings) -> list[tuple[str, str]]:
    kind = content_type(request)[0]
    if kind == "application/json":
        return _json(parse_json(await read_body(request, settings)))
    data = await read_body(request, settings)
    if kind == "application/x-www-form-urlencoded":
        return _urlencoded(data)
    if not data:
        return []
    raise BadRequest(f"send the form as {_FORMS}", measured=kind[:80])


async def read_urlencoded(request: web.Request, builder: FormBuilder) -> None:
    """Fill the urlencoded form in the body, which has no files: ``curl -d image_url=...``.

    Raises:
        BadRequest: it is malformed. TooLarge, UploadTooSlow: as of ``read_fields``. Both say how a
            picture is sent: curl --data-binary calls one a form unless it is told its type.
    """
    try:
        data = await read_body(request, builder.settings)
        pairs = _urlencoded(data, MAX_FIELDS + builder.shape.max_files)
    except (BadRequest, TooLarge) as error:
        error.detail += f" ({_PICTURE_HINT})"
        raise
    for name, value in pairs:
        builder.add_field(name, value)


def _json(document: Any) -> list[tuple[str, str]]:
    if not isinstance(document, dict):
        raise BadRequest('the body is not a JSON object; e.g. {"email": "ann@example.org"}')
    for name, value in document.items():
        if not isinstance(value, str):
            shown = ascii(name[:40])[1:-1]
            raise BadParameter(f"{shown} is not a text", parameter=shown)
    return list(document.items())


def _urlencoded(data: bytes, most: int = MAX_FIELDS) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            data.decode("ascii"), keep_blank_values=True, max_num_fields=most, errors="strict"
        )
    except ValueError:  # UnicodeDecodeError too
        raise BadRequest(
            f"the form is not urlencoded UTF-8, or has more than {most} fields"
        ) from None
