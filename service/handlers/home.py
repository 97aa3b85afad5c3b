"""GET /: the upload page for browsers, usage examples for programs."""

from __future__ import annotations

from aiohttp import web

from models.images.inspect import file_types
from models.operations import OPERATIONS
from service.app_keys import SETTINGS
from service.auth.authenticator import AUTHENTICATOR
from service.openapi.endpoint import unlisted
from service.pages.render import layout_page, wants_page

_TEXT = """Darkroom: send pictures, get tasks, fetch the results.

  curl -F image=@cat.png {url}/upscale          202, a task
  curl '{url}/tasks/<task_id>?wait=30'          its status, and the result's url
  curl -OJ {url}/processed/<name>               the result
  curl -L -F image=@cat.png '{url}/upscale?wait=30&redirect=1' -o big.png

  curl -F image=@a.png -F image=@b.png {url}/blur          a group of tasks
  curl '{url}/status/<group_id>?wait=30'                   its progress
  curl -OJ {url}/status/<group_id>/archive                 all results as a zip file
  curl -F image=@a.png -F operations=split -F operations=resize=2 {url}/process

Operations: {operations}.
What each of them takes: {url}/docs, as JSON {url}/operations. Health: /healthz, /readyz.
"""


_MAX_HISTORY = 300  # finished pictures that a browser remembers: a screen shows fewer
_VARY = {"Vary": "Accept"}
_NOW = {"Cache-Control": "no-store"}


@unlisted("a page for people")
async def index(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    if wants_page(request):
        seen = (
            await request.app[AUTHENTICATOR].session_identity(request)
            if settings.api_keys_enabled
            else None
        )
        if settings.api_keys_enabled and not seen and not settings.auth.allow_anonymous:
            return web.Response(status=303, headers={"Location": "/login", **_VARY, **_NOW})
        answer = layout_page(
            request,
            "upload.html",
            "/",
            settings=settings,
            accepted=settings.uploads.accepted_formats,
            file_types=file_types(settings.uploads.accepted_formats),
            mebibytes=settings.uploads.max_upload_bytes / 2**20,
            megapixels=settings.uploads.max_pixels / 1e6,
            reshaping=" ".join(op for op, spec in OPERATIONS.items() if not spec.same_frame),
            max_history=_MAX_HISTORY,
            key=seen.key.name if seen and seen.key else "",
        )
        answer.headers["Vary"] = f"Accept, {answer.headers['Vary']}"
        return answer
    url = settings.http.base_url.removeprefix("http://")
    text = _TEXT.format(url=url, operations=", ".join(OPERATIONS))
    return web.Response(text=text, headers=_VARY)
