"""The form of a submission, whichever body brings it: a form, JSON, or a picture alone."""

from __future__ import annotations

from aiohttp import web

from service.app_keys import SETTINGS
from service.http.request_body import content_type, is_picture
from service.openapi.endpoint import JSON, URLENCODED
from service.uploads.disk_space import DISK_SPACE
from service.uploads.form import Form, FormBuilder, FormShape
from service.uploads.json_form import read_json_form
from service.uploads.multipart import read_multipart
from service.uploads.raw_body import read_raw_body
from service.uploads.small_form import read_urlencoded
from service.uploads.spool import Spool


async def read_form(request: web.Request, spool: Spool, shape: FormShape) -> Form:
    """Return the form in the body of ``request``; errors: see the readers.

    Raises:
        InsufficientResources: the disk is full.
    """
    free_space, kind = request.app[DISK_SPACE].free_space, content_type(request)[0]
    await free_space.check()
    builder = FormBuilder(spool, shape, request.app[SETTINGS].uploads, free_space)
    read = read_multipart
    if shape.other_bodies and is_picture(request):
        read = read_raw_body
    elif shape.other_bodies and kind == JSON:
        read = read_json_form
    elif shape.other_bodies and kind == URLENCODED and request.body_exists:
        read = read_urlencoded
    await read(request, builder)
    return builder.form
