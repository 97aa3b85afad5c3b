"""GET /: what this is and how to use it, for whoever opens it by hand."""

from __future__ import annotations

from aiohttp import web

from models.operations import OPERATIONS
from service.keys import SETTINGS

_TEXT = """Darkroom: send a picture, get a task, fetch the result.

  curl -F image=@cat.png {url}/upscale          202, a task
  curl '{url}/tasks/<task_id>?wait=30'          how it ended, and its url
  curl -OJ {url}/processed/<name>               the result
  curl -L -F image=@cat.png '{url}/upscale?wait=30&redirect=1' -o big.png

Operations: {operations}. Health: /healthz, /readyz.
"""


async def index(request: web.Request) -> web.StreamResponse:
    url = f"localhost:{request.app[SETTINGS].port}"
    text = _TEXT.format(url=url, operations=", ".join(OPERATIONS))
    return web.Response(text=text)
