"""GET /: what this is and how to use it, for whoever opens it by hand."""

from __future__ import annotations

from aiohttp import web

from models.operations import OPERATIONS

_TEXT = """Darkroom: send a picture, get a task, fetch the result.

  curl -F image=@cat.png {url}/upscale          202, a task
  curl '{url}/tasks/<task_id>?wait=30'          how it ended, and its url
  curl -OJ {url}/processed/<name>               the result
  curl -L -F image=@cat.png '{url}/upscale?wait=30&redirect=1' -o big.png

Operations: {operations}. Health: /healthz, /readyz.
"""


async def index(request: web.Request) -> web.StreamResponse:
    settings_url = f"localhost:{request.url.port}" if request.url.port else "localhost"
    text = _TEXT.format(url=settings_url, operations=", ".join(OPERATIONS))
    return web.Response(text=text)
