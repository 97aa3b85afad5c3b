"""The configuration of docs/deployment.md, in nginx before the service."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from models.settings import Settings
from models.store import Store
from service.app import create_app
from standalone.embedded_stores import free_port
from tests.conftest import Client
from tests.support import api_key_clients, images
from tests.support.doc_runner import blocks
from tests.support.paths import ROOT, find_program, program
from tests.support.task_factory import finish

pytestmark = pytest.mark.skipif(find_program("nginx") is None, reason="no nginx on this machine")


def _configuration(folder: Path, port: int, *services: int) -> str:
    """Return what the page shows, with the addresses of here; of two services with an upstream."""
    upstream, shown = (
        block.text for block in blocks(ROOT / "docs" / "deployment.md") if block.language == "nginx"
    )
    changes = {
        "/var/cache/nginx/darkroom": str(folder / "cache"),
        "listen 443 ssl": f"listen 127.0.0.1:{port}",
        "127.0.0.1:8080": f"127.0.0.1:{services[0]}",
    }
    if len(services) == 2:
        shown = upstream + shown
        changes |= {
            f"service{number}:8080": f"127.0.0.1:{service}"
            for number, service in enumerate(services, 1)
        } | {"127.0.0.1:8080": "darkroom"}
    for documented, here in changes.items():
        assert documented in shown
        shown = shown.replace(documented, here)
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{shown}\n}}\n"
    )


@asynccontextmanager
async def behind_nginx(folder: Path, *services: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Run nginx before one service or two on these ports; give a client of nginx."""
    port = free_port()
    (folder / "nginx.conf").write_text(_configuration(folder, port, *services))
    options = ("-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"))
    process = await asyncio.create_subprocess_exec(program("nginx"), *options)
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession(url, headers={"Host": "pictures.example.org"}) as session:
            while True:
                assert process.returncode is None, (folder / "error.log").read_text()
                try:
                    await (await session.get("/healthz")).read()
                    break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.05)
            yield session
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _get(session: aiohttp.ClientSession, path: str, **headers: str) -> tuple[Any, bytes]:
    async with session.get(path, headers=headers) as response:
        return response, await response.read()


async def test_results_come_from_the_cache(
    settings: Settings, aiohttp_client: Any, store: Store, tmp_path: Path
) -> None:
    chosen = settings.replace(proxies=1, public_url="https://pictures.example.org")
    client: Client = await aiohttp_client(create_app(chosen))
    data = images.png(80, 60, seed=3)
    async with behind_nginx(tmp_path, client.port or 0) as session:
        async with session.post("/upscale", data=images.form(data, "cat.png")) as response:
            task = await response.json()
        await finish(store, task["task_id"], data)
        path = "/processed/cat-upscale-x2.png"
        first, body = await _get(session, path)
        assert (first.status, body, first.headers["X-Cache-Status"]) == (200, data, "MISS")
        tag = first.headers["ETag"]
        again, body = await _get(session, path)
        assert (again.headers["X-Cache-Status"], again.headers["ETag"], body) == ("HIT", tag, data)
        part, body = await _get(session, path, Range="bytes=5-9")
        assert (part.status, body) == (206, data[5:10])
        assert part.headers["Content-Range"] == f"bytes 5-9/{len(data)}"
        known, body = await _get(session, path, **{"If-None-Match": tag})
        assert (known.status, body) == (304, b"")
        async with session.head(path) as head:
            assert (head.status, head.headers["Content-Length"]) == (200, str(len(data)))
        assert [each.headers["X-Cache-Status"] for each in (part, known, head)] == ["HIT"] * 3
        download, _ = await _get(session, f"{path}?download=1")
        assert download.headers["X-Cache-Status"] == "MISS"
        assert download.headers["Content-Disposition"].startswith("attachment")
        for _ in range(2):  # the name of the upload means its newest result
            newest, body = await _get(session, "/processed/cat.png")
            assert (newest.headers["X-Cache-Status"], body) == ("MISS", data)
        await client.close()
        kept, body = await _get(session, path)
        assert (kept.status, body) == (200, data)
        assert (await _get(session, "/processed/cat.png"))[0].status == 502


async def test_results_of_keys_are_never_cached(
    settings: Settings, aiohttp_client: Any, tmp_path: Path
) -> None:
    chosen = settings.replace(proxies=1, public_url="https://pictures.example.org")
    service = await api_key_clients.service_starter(chosen, aiohttp_client)()
    ann = await service.key()
    task = await service.send(ann, images.png(80, 60, seed=4))
    await finish(service.store, task["task_id"])
    async with behind_nginx(tmp_path, service.client.port or 0) as session:
        path = (await service.request("GET", f"/tasks/{task['task_id']}", ann))[1]["url"]
        _, link = await service.request("POST", f"{path}/link", ann)
        for asked, headers in ((path, ann.headers), (link["url"], {})):
            for _ in range(2):
                response, _ = await _get(session, asked, **headers)
                assert (response.status, response.headers["X-Cache-Status"]) == (200, "MISS")
        assert (await _get(session, path))[0].status == 401


async def test_one_of_two_services_stops(
    settings: Settings, aiohttp_client: Any, tmp_path: Path
) -> None:
    """Both are asked in turn; while one is away no request fails."""
    chosen = settings.replace(proxies=1, public_url="https://pictures.example.org")
    answered: list[web.Application] = []

    async def count(request: web.Request, _: web.StreamResponse) -> None:
        answered.append(request.app)

    apps = [create_app(chosen) for _ in range(2)]
    for app in apps:
        app.on_response_prepare.append(count)
    one, other = [await aiohttp_client(app) for app in apps]
    async with behind_nginx(tmp_path, one.port, other.port) as session:
        async with session.post("/upscale", data=images.form(images.png(), "cat.png")) as response:
            assert response.status == 202
            path = f"/tasks/{(await response.json())['task_id']}"
        assert [(await _get(session, path))[0].status for _ in range(4)] == [200] * 4
        assert {*answered} == {*apps}
        await one.close()
        for seed in range(4):
            form = images.form(images.png(seed=seed + 1), "dog.png")
            async with session.post("/upscale", data=form) as response:
                assert response.status == 202
            assert (await _get(session, path))[0].status == 200
