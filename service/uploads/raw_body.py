"""A picture that is the whole body; the fields of its form are in the query of the URL.

curl -H 'Content-Type: image/png' --data-binary @cat.png '.../upscale?scale=2'
curl -T cat.png '.../upscale?scale=2'
"""

from __future__ import annotations

from aiohttp import web

from service.http.request_body import Body, form_limit
from service.query import WAITING
from service.uploads.form import FormBuilder

FILENAME = "filename"
"""The field that names a picture whose body cannot: of a raw body, and of those in JSON."""
DEFAULT_NAME = "image"


async def read_raw_body(request: web.Request, builder: FormBuilder) -> None:
    """Fill the form that the query describes, with the body as its one file.

    As everywhere the format is that of the bytes, whatever their type says.

    Raises:
        UnsupportedFormat, BadRequest: the body is no picture, or a field came twice.
        TooLarge, UploadTooSlow, InsufficientResources: see the settings.
    """
    for name, value in request.query.items():
        if name not in WAITING:
            builder.add_field(name, value)
    name = builder.form.fields.pop(FILENAME, "") or DEFAULT_NAME
    builder.begin_file(builder.shape.file_field, name)
    async for data in builder.spooled(
        Body(request, builder.settings, *form_limit(1, builder.settings))
    ):
        builder.write_file(data)
        if (error := builder.form.files[0].error) is not None:
            raise error  # nothing else is to come
    builder.end_file()
