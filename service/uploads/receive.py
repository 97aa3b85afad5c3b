"""The form of a submission, whichever body brings it: a form, JSON, or a picture alone."""

from __future__ import annotations

from aiohttp import web

from models.settings.uploads import UploadSettings
from service.http.request_body import content_type, is_picture
from service.uploads.form import Form, FormShape
from service.uploads.json_form import read_json_form
from service.uploads.multipart import read_multipart
from service.uploads.raw_body import read_raw_body
from service.uploads.small_form import read_urlencoded
from service.uploads.spool import Spool


async def read_form(
    request: web.Request, spool: Spool, shape: FormShape, settings: UploadSettings
) -> Form:
    """Return the form in the body of ``request``; errors: see the readers."""
    if shape.other_bodies and is_picture(request):
        return await read_raw_body(request, spool, shape, settings)
    kind = content_type(request)[0]
    if shape.other_bodies and kind == "application/json":
        return await read_json_form(request, spool, shape, settings)
    if shape.other_bodies and kind == "application/x-www-form-urlencoded" and request.body_exists:
        return await read_urlencoded(request, spool, shape, settings)
    return await read_multipart(request, spool, shape, settings)
