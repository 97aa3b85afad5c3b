"""The OpenAPI document: complete, valid, true to real responses, and with examples that run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from models import VERSION
from models.operations import OPERATIONS
from models.settings import Settings
from service.app import create_app
from service.auth.permissions import Permission
from service.openapi.document import OPENAPI, TAGS, build_document, iter_routes
from service.openapi.endpoint import Endpoint, declaration_of
from service.routes import add_routes
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess


def application(**settings: Any) -> web.Application:
    return create_app(
        Settings().replace(redis_url="redis://x", mongo_url="mongodb://x", **settings)
    )


@pytest.fixture
def said() -> Any:
    return _default_document()


@cache
def _default_document() -> Any:
    return application()[OPENAPI].document


CANCEL = {("DELETE", "/tasks/{id}"), ("POST", "/dashboard/api/tasks/{id}/cancel")}
AFTER = {
    "/tasks/{id}/retry",
    "/dashboard/api/tasks/{id}/retry",
    "/dashboard/api/workers/{name}/resume",
}
"""Paths whose example undoes the example before it."""
PUT_PATHS = {"/upscale", "/process"}
"""Paths whose PUT is tried; all others have the same handler."""
KEYED = {"/presets/{name}"}
"""Paths that need a key: ``tests/service/handlers/test_presets.py`` tries them."""


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    app = application()
    there = {
        (route.method, route.path)
        for route in iter_routes(app)
        if isinstance(declaration_of(route.handler), Endpoint)
    }
    assert {(method, path) for method, path, _ in operations(app[OPENAPI].document)} == there


def test_only_html_pages_and_their_files_are_left_out() -> None:
    found = [(route.path, declaration_of(route.handler)) for route in iter_routes(application())]
    left = {path: reason for path, reason in found if not isinstance(reason, Endpoint)}
    assert left.keys() == {
        "/",
        "/docs",
        "/login",
        "/logout",
        "/static/{name}",
        "/dashboard",
    }
    assert all(len(str(reason)) > 5 for reason in left.values())


def test_an_undeclared_handler_is_reported_with_the_remedy() -> None:
    async def forgotten(request: web.Request) -> web.Response:
        return web.Response()

    app = application()
    add_routes(app, [(Permission.READ, web.post("/forgotten", forgotten))])
    with pytest.raises(LookupError, match=r"POST /forgotten \(.*forgotten\): .* put @endpoint"):
        build_document(app)


def test_a_disabled_route_is_not_listed() -> None:
    assert "/metrics" not in application(metrics=False)[OPENAPI].document["paths"]


def test_it_is_openapi_3_1(said: Any) -> None:
    assert said["openapi"].startswith("3.1")
    errors = list(OpenAPIV31SpecValidator(said).iter_errors())
    assert [str(error)[:300] for error in errors] == []
    for name, schema in said["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description") or "enum" in schema, name


def test_every_operation_has_a_name_a_tag_and_a_summary(said: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(said)]
    assert len(names) == len(set(names))
    used = {tag for _, _, operation in operations(said) for tag in operation["tags"]}
    assert used == set(TAGS) == {tag["name"] for tag in said["tags"]}
    for method, path, operation in operations(said):
        assert operation["summary"], (method, path)
        assert "500" in operation["responses"]
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (method, path, parameter["name"])


def test_links_name_operations_and_their_parameters(said: Any) -> None:
    known = {
        operation["operationId"]: {each["name"] for each in operation["parameters"]}
        for _, _, operation in operations(said)
        if "parameters" in operation
    }
    led = 0
    for _, _, operation in operations(said):
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                assert link["parameters"].keys() <= known[link["operationId"]]
                led += 1
    assert led > 50


def test_the_version_is_that_of_the_project(said: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION == said["info"]["version"]
    assert said["servers"] == [{"url": "/"}]


def test_forms_match_the_operation_specs(said: Any) -> None:
    for op, spec in OPERATIONS.items():
        body = said["paths"][f"/{op}"]["post"]["requestBody"]["content"]["multipart/form-data"]
        fields = body["schema"]["properties"]
        own = {
            "image",
            "image_url",
            "format",
            "quality",
            "email",
            "deliver_url",
            "callback_url",
            "report",
            "metadata",
            "progressive",
            "max_bytes",
            "frames",
        }
        own |= spec.model_fields.keys()
        if op == "watermark":  # which file it is: here there is one
            own ^= {"picture", "watermark_image"}
        assert (
            fields.keys()
            - ({"file", *OPERATIONS["thumbnail"].model_fields} if op == "convert" else set())
            == own
        )
        for name in own & spec.model_fields.keys():
            described = spec.model_fields[name].description or "?"
            assert fields[name]["description"].startswith(described)
            kinds = fields[name].get("anyOf", [])
            assert all(kind["type"] != "null" for kind in kinds), "null is not sent in a form"


@pytest.mark.integration
def test_limits_come_from_the_settings() -> None:
    text = json.dumps(application(max_pixels=1234, max_batch=7, max_wait=8)[OPENAPI].document)
    assert "1,234 pixels (MAX_PIXELS)" in text
    assert '"maxItems": 7' in text
    assert "at most 8 (MAX_WAIT)" in text
    status = application(legacy_status=True)[OPENAPI].document["components"]["schemas"]["Status"]
    assert "PENDING" in status["enum"]
    assert "STARTED" not in status["enum"]


async def test_it_is_served_with_an_etag(client: Any) -> None:
    answer = await client.get("/openapi.json")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert "max-age" in answer.headers["Cache-Control"]
    assert (await answer.json())["paths"].keys() >= {"/upscale", "/openapi.json"}
    tag = answer.headers["ETag"]
    again = await client.get("/openapi.json", headers={"If-None-Match": tag})
    assert (again.status, again.headers["ETag"], await again.read()) == (304, tag, b"")


@pytest.mark.integration
def test_it_is_printed_without_stores(said: Any) -> None:
    command = [sys.executable, "-m", "service", "openapi"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["paths"].keys() == said["paths"].keys()


async def test_unknown_query_parameters_are_refused_with_the_documented_ones(
    client: Any, said: Any
) -> None:
    asked = 0
    for method, path, operation in operations(said):
        answer = await client.request(
            method, re.sub(r"\{\w+\}", "0" * 32, path), params={"nonsense": "1"}
        )
        body = await answer.text()
        if answer.status == 422 and "unknown query parameter" in body:
            known = {
                each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"
            }
            assert set(json.loads(body)["known"]) == known, (method, path)
            asked += 1
    assert asked > 15


def closed(schema: Any) -> Any:
    """Return ``schema`` with additionalProperties false."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if "properties" in made and "additionalProperties" not in made and "$ref" not in made:
        made["additionalProperties"] = False
    return made


class ResponseChecker:
    """Checks responses against the document; undocumented members fail."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.schemas = closed(document["components"])

    def check(self, method: str, path: str, status: int, media: str, body: bytes) -> None:
        answers = self.document["paths"][path][method.lower()]["responses"]
        assert str(status) in answers, (method, path, status, body[:300])
        content = answers[str(status)].get("content", {})
        if not body:
            return
        assert media in content, (method, path, status, media)
        schema = content[media].get("schema")
        if schema and media.endswith("json"):
            whole = {**closed(schema), "components": self.schemas}
            errors = list(Draft202012Validator(whole).iter_errors(json.loads(body)))
            assert [error.message[:300] for error in errors] == [], (method, path, status)


async def test_real_responses_match_the_document(
    client: Any, worker: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.handlers.health._ANSWER_SECONDS", 60.0)
    checker = ResponseChecker(said)

    async def ask(method: str, path: str, there: str = "", status: int = 200, **more: Any) -> Any:
        answer = await client.request(method, there or path, allow_redirects=False, **more)
        body = await answer.read()
        assert answer.status == status, body[:300]
        checker.check(method, path, answer.status, answer.content_type, body)
        return json.loads(body) if answer.content_type == "application/json" else body

    while (await client.get("/readyz")).status != 200:
        pass
    for path in ("/healthz", "/readyz", "/operations", "/openapi.json", "/metrics"):
        await ask("GET", path)
    form = images.form(images.png(), "cat.png", report="1", email="ann@example.org")
    task = await ask("POST", "/upscale", "/upscale?wait=60", data=form)
    task_id, group_id, name = task["task_id"], task["group_id"], task["results"][0]["name"]
    await ask("GET", "/tasks/{id}", f"/tasks/{task_id}")
    await ask("GET", "/tasks/{id}", f"/tasks/{task_id}?redirect=1", status=303)
    await ask("GET", "/tasks/{id}", "/tasks/nothing", status=404)
    await ask("DELETE", "/tasks/{id}", f"/tasks/{task_id}", status=409)
    await ask("POST", "/tasks/{id}/retry", f"/tasks/{task_id}/retry", status=409)
    await ask("GET", "/status/{id}", f"/status/{group_id}")
    await ask("GET", "/status/{id}/archive", f"/status/{group_id}/archive")
    await ask("POST", "/send_images/{id}", f"/send_images/{group_id}", status=202)
    await ask("GET", "/send_images/{id}", f"/send_images/{task_id}", status=422)
    several = images.form(images.png(seed=1), "a.png")
    several.add_field("image", b"GIF89a nothing of the kind", filename="b.png")
    group = await ask("POST", "/blur", "/blur?wait=60", data=several)
    assert [each["task_id"] is None for each in group["tasks"]] == [False, True]
    broken = images.form(b"no picture at all", "c.png")
    await ask("POST", "/blur", status=415, data=broken)
    odd = images.form(images.png(), "d.png", kernel="4")
    await ask("POST", "/blur", status=422, data=odd)
    file = aiohttp.FormData()
    file.add_field("file", images.png(), filename="e.png")
    submission = await ask("POST", "/convert", status=202, data=file)
    there = f"/convert/{submission['submission_task_id']}"
    while (await ask("GET", "/convert/{id}", there))["submission_result"] is None:
        pass
    file = aiohttp.FormData()
    file.add_field("uploaded_file", images.png(), filename="e.png")
    await ask("POST", "/convert/", data=file)
    await ask("POST", "/items/", status=404, json={"images": [{"input": "a", "output": "b"}]})
    await ask("POST", "/subscribe", status=202, data={"email": "ann@example.org"})
    await ask("POST", "/unsubscribe", json={"email": "ann@example.org"})
    await ask("POST", "/subscribe/confirm", "/subscribe/confirm?token=x", status=422)
    served, there = "/processed/{name}", f"/processed/{name}"
    await ask("GET", served, there)
    await ask("GET", served, there, status=206, headers={"Range": "bytes=0-3"})
    await ask("GET", served, there, status=416, headers={"Range": "bytes=999999999-"})
    await ask("DELETE", served, there, status=412, headers={"If-Match": '"other"'})
    await ask("DELETE", served, there, status=204)
    shown = await ask("GET", "/tasks/{id}", f"/tasks/{task_id}")
    assert shown["results"][0]["gone"]["reason"] == "deleted"


@pytest.mark.integration
def test_examples_run(darkroom_with_files: StandaloneProcess, tmp_path: Path) -> None:
    """Every example succeeds with real ids; those that only read share a task."""
    home = darkroom_with_files
    (tmp_path / "example-dog.jpg").write_bytes(images.jpeg())
    document = json.loads(home.get("/openapi.json")[1])
    checker = ResponseChecker(document)
    ids: dict[str, str] = {}
    ran = set()
    unchanged = False
    for number, (method, path, operation) in enumerate(operations(document)):
        for sample in operation.get("x-codeSamples", ()):
            if (method == "PUT" and path not in PUT_PATHS) or path in KEYED:
                continue
            if path not in AFTER and not (unchanged and method == "GET"):
                ids = _prepared(home, tmp_path, number, cancel=(method, path) in CANCEL)
            if "WEBHOOK_ID" in sample["source"]:
                ids["WEBHOOK_ID"] = _webhook(home, ids["TASK_ID"])
            line = _filled(sample["source"], ids)
            assert line.startswith("curl ")
            line = line.replace("curl", "curl -sS -m 70 -D headers", 1)
            # Other tests of this Darkroom expect results of cat.png and dog.jpg.
            line = re.sub(r"(@|-T |filename=)(cat|dog)\.", r"\1example-\2.", line)
            done = subprocess.run(
                line, shell=True, cwd=tmp_path, capture_output=True, check=True, timeout=80
            )
            head = (tmp_path / "headers").read_text()
            status = int(re.findall(r"(?m)^HTTP/\S+ (\d+)", head)[-1])  # behind 100 Continue
            assert status < 300, (line, done.stdout[:500])
            media = re.search(r"(?im)^content-type: ([\w/+.-]+)", head)
            checker.check(method, path, status, media[1] if media else "", done.stdout)
            ran.add((method, path))
            unchanged = method == "GET"
            if path.endswith("/retry"):  # slow work that would delay the next examples
                home.curl("-X", "DELETE", f"{home.url}/tasks/{ids['TASK_ID']}")
    tokens = {
        ("POST", "/subscribe/confirm"),
        ("GET", "/subscribe/confirm"),
        ("GET", "/unsubscribe"),
    }
    left = {(m, p) for m, p, _ in operations(document) if m != "PUT" or p in PUT_PATHS} - ran
    assert left == tokens | {("DELETE", path) for path in KEYED}


def _filled(line: str, ids: dict[str, str]) -> str:
    return re.sub("TASK_ID|GROUP_ID|WEBHOOK_ID|NAME|WORKER", lambda found: ids[found[0]], line)


def _webhook(home: StandaloneProcess, task_id: str) -> str:
    """Return the id of the task's webhook once its failed delivery is over."""
    found: dict[str, str] = {}

    def waits() -> bool:
        (hook,) = json.loads(home.get(f"/dashboard/api/tasks/{task_id}")[1])["webhooks"]
        found["id"] = hook["id"]
        return bool(hook["actions"])

    home.until(waits, "told")
    return found["id"]


def _prepared(home: StandaloneProcess, folder: Path, seed: int, *, cancel: bool) -> dict[str, str]:
    """Upload a new image; large enough to be still running if it is to be cancelled."""
    picture = folder / "example-cat.png"
    side = 1500 if cancel else 160
    picture.write_bytes(images.png(side, side, seed=seed))
    unreachable = "callback_url=http://127.0.0.1:9/"
    fields = ["email=ann@example.org", unreachable, f"quality={'best' if cancel else 'fast'}"]
    task = home.upload(picture, "" if cancel else "?wait=60", *fields)
    name = task["results"][0]["name"] if task["results"] else ""
    worker = json.loads(home.get("/dashboard/api/workers")[1])["workers"][0]["name"]
    ids = {"TASK_ID": task["task_id"], "GROUP_ID": task["group_id"]}
    return {**ids, "NAME": name, "WORKER": worker}
