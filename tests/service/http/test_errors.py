"""Error classes, their problem documents, and that no internals appear in them."""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from unittest.mock import AsyncMock

import pytest
import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars, get_contextvars

from models import VERSION, errors
from models.error_members import BY_CODE, from_document
from models.errors import AppError, BadImage
from models.metrics.instruments import Instruments
from models.metrics.metric import MetricSource
from models.settings import Settings
from service.app import create_app
from service.app_keys import INSTRUMENTS, SETTINGS
from service.http.errors import STATUS, error_response, raw_error_response
from service.http.request_context import request_context_middleware
from service.http.request_counts import REQUEST_COUNTS, RequestCounts
from tests.support import images


def test_every_error_that_can_reach_a_client_has_a_status() -> None:
    internal = {errors.AppError, errors.BadSettings}
    assert set(BY_CODE.values()) - internal == set(STATUS)
    assert len(BY_CODE) == len({kind.code for kind in BY_CODE.values()})


def test_docstring_lists_the_whole_error_tree() -> None:
    assert errors.__doc__ is not None
    for kind in BY_CODE.values():
        assert f" {kind.__name__} " in errors.__doc__ + " " or kind is AppError


def test_documents_round_trip() -> None:
    error = BadImage("broken", measured=3)
    again = from_document(error.document())
    assert type(again) is BadImage
    assert again.document() == {"code": "bad_image", "detail": "broken", "measured": 3}
    assert from_document({"code": "from the future", "detail": "x"}).code == "internal"


@pytest.mark.parametrize("kind", list(STATUS))
def test_problem_documents(kind: type[AppError]) -> None:
    error = kind("what helps", limit=1, measured=2)
    response = error_response(error)
    assert response.status == STATUS[kind]
    assert response.content_type == "application/problem+json"
    assert response.text is not None
    body = json.loads(response.text)
    assert list(body)[:5] == ["type", "title", "status", "detail", "code"]
    assert (body["code"], body["detail"]) == (kind.code, "what helps")
    assert (body["status"], body["limit"], body["measured"]) == (response.status, 1, 2)
    assert ("Retry-After" in response.headers) == (response.status in {429, 503})
    assert response.headers.getall("Cache-Control") == ["no-store"]
    assert raw_error_response(error).lower().count(b"cache-control: no-store") == 1


def test_facts_cannot_overwrite_the_standard_members() -> None:
    response = error_response(BadImage("x", status=200, type="evil"))
    assert response.text is not None
    body = json.loads(response.text)
    assert body["status"] == 422
    assert body["type"] == "urn:darkroom:error:bad_image"


async def test_unknown_routes_and_methods(client: Any) -> None:
    response = await client.get("/nope")
    assert (response.status, (await response.json())["code"]) == (404, "not_found")
    response = await client.get("/upscale")
    assert (response.status, response.headers["Allow"]) == (405, "POST, PUT")
    assert (await response.json())["allowed"] == ["POST", "PUT"]
    assert response.content_type == "application/problem+json"
    for path in ("/nope", "/upscale", "/tasks/x", "/processed/x.png"):
        response = await client.get(path)
        assert response.headers.getall("Cache-Control") == ["no-store"], path


async def test_log_context_does_not_leak_into_the_next_request(aiohttp_client: Any) -> None:
    async def bind(request: Any) -> Any:
        bind_contextvars(task_id="t", key="k")
        return web.json_response([id(request.transport)])

    async def seen(request: Any) -> Any:
        return web.json_response([id(request.transport), *get_contextvars()])

    app = web.Application(middlewares=[request_context_middleware])
    app[SETTINGS] = Settings()
    app[INSTRUMENTS] = Instruments(MetricSource.SERVICE)
    app[REQUEST_COUNTS] = RequestCounts(AsyncMock())
    app.add_routes([web.get("/bind", bind), web.get("/seen", seen)])
    client = await aiohttp_client(app)
    connection = await (await client.get("/bind")).json()
    assert await (await client.get("/seen")).json() == [*connection, "request_id"]


async def test_a_request_line_says_who_how_much_and_which_task(client: Any) -> None:
    picture = images.png(seed=77)
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        answer = await client.post("/blur", data=images.form(picture, "cat.png"))
        task = await answer.json()
        await client.get("/operations")
        await client.head("/operations")
    posted, listed, asked = [line for line in lines if line["event"] == "request"]
    assert posted["client"] == listed["client"]
    assert re.fullmatch("[0-9a-f]{16}", posted["client"])
    assert "127.0.0.1" not in str(lines)
    assert posted["task_id"] == task["task_id"]
    assert posted["bytes_in"] > len(picture)
    assert posted["bytes_out"] == len(await answer.read())
    assert (listed["bytes_in"], asked["bytes_out"]) == (0, 0)
    assert listed["bytes_out"] > 1000
    assert posted["ms"] > 0


async def test_unexpected_errors_get_an_id_that_is_in_the_log(
    settings: Any, aiohttp_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: Any) -> Any:
        raise ZeroDivisionError("secret internals")

    app = create_app(settings)
    app.router.add_get("/broken", broken)
    client = await aiohttp_client(app)
    with caplog.at_level(logging.ERROR):
        response = await client.get("/broken", headers={"X-Request-ID": "mine-1"})
    text = await response.text()
    assert response.status == 500
    assert "ZeroDivision" not in text and "secret" not in text and "Traceback" not in text
    assert json.loads(text)["incident"] in json.loads(text)["detail"]
    assert response.headers["X-Request-ID"] == "mine-1"


async def test_only_safe_request_ids_are_accepted(client: Any) -> None:
    kept = await client.get("/healthz", headers={"X-Request-ID": "abc_DEF-1"})
    assert kept.headers["X-Request-ID"] == "abc_DEF-1"
    for evil in ("a b", "x" * 65, "ä", '"', ""):
        response = await client.get("/healthz", headers={"X-Request-ID": evil})
        assert response.headers["X-Request-ID"] != evil
        assert len(response.headers["X-Request-ID"]) == 16


async def test_mongodb_unavailable_is_503_with_retry_after(
    settings: Any, aiohttp_client: Any
) -> None:
    from service.app_keys import STORE
    from standalone.embedded_stores import free_port

    app = create_app(settings)
    client = await aiohttp_client(app)
    unavailable = settings.replace(
        mongo_url=f"mongodb://127.0.0.1:{free_port()}/?replicaSet=x", store_timeout=0.2
    )
    from models.store import Store
    from tests.support import images

    store = Store(unavailable)
    for name in ("tasks", "leases", "result_names", "originals", "results", "workers", "ping"):
        setattr(app[STORE], name, getattr(store, name))
    response = await client.post("/upscale", data=images.form(images.png(), "a.png"))
    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert (await response.json())["code"] == "store_unavailable"
    for path in ("/tasks/x", "/processed/x"):
        assert (await client.get(path)).status == 503
    ready = await client.get("/readyz")
    assert ready.status == 503
    assert (await ready.json())["missing"] == ["mongodb", "workers"]
    assert (await client.get("/healthz")).status == 200
    store.close()


async def test_ready_and_alive(client: Any, worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.handlers.health._ANSWER_SECONDS", 60.0)
    while (await client.get("/readyz")).status != 200:
        pass
    body = await (await client.get("/readyz")).json()
    assert body == {"status": "ready", "missing": [], "workers": 1}
    assert await (await client.get("/healthz")).json() == {
        "status": "alive",
        "version": VERSION,
    }


async def test_index_shows_first_commands(client: Any) -> None:
    text = await (await client.get("/")).text()
    assert "curl -F image=@" in text
    assert (await client.get("/", headers={"Host": "localhost:99999"})).status == 200
    assert "upscale" in text
