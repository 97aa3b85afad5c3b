"""A picture that is the whole body; the fields of its form are in the query of the URL.

curl -H 'Content-Type: image/png' --data-binary @cat.png '.../upscale?scale=2'
curl -T cat.png '.../upscale?scale=2'
"""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from models.settings.uploads import UploadSettings
from service.http.request_body import Body, form_limit
from service.query import WAITING
from service.uploads.disk_space import DISK_SPACE
from service.uploads.form import Form, FormBuilder, FormShape, spooled
from service.uploads.spool import Spool

FILENAME = "filename"
"""The field that names a picture whose body cannot: of a raw body, and of those in JSON."""
DEFAULT_NAME = "image"


async def read_raw_body(
    request: web.Request,
    spool: Spool,
    shape: FormShape,
    settings: UploadSettings,
    ours: Collection[str] = WAITING,
) -> Form:
    """Return the form that the query describes, with the body as its one file.

    As everywhere the format is that of the bytes, whatever their type says. ``ours``: parameters of
    the query that are none of the form.

    Raises:
        UnsupportedFormat, BadRequest: the body is no picture, or a field came twice.
        TooLarge, UploadTooSlow, InsufficientResources: see the settings.
    """
    free_space = request.app[DISK_SPACE].free_space
    await free_space.check()
    builder = FormBuilder(spool, shape, settings)
    for name, value in request.query.items():
        if name not in ours:
            builder.add_field(name, value)
    name = builder.form.fields.pop(FILENAME, "") or DEFAULT_NAME
    builder.begin_file(shape.file_field, name)
    body = Body(request, settings, *form_limit(1, settings))
    body.images = 1
    async for data in spooled(body, spool, free_space):
        builder.write_file(data)
        if (error := builder.form.files[0].error) is not None:
            raise error  # nothing else is to come
    builder.end_file()
    return builder.form
