"""Small bodies that are costly to parse are refused before parsing, also without a key."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import helpers
from pydantic import BaseModel, ValidationError

from models.errors import BadParameter, BadRequest
from models.settings import Settings
from service.legacy.items_request import ItemsRequest, read_items_request
from service.submissions.groups import GroupRequest, read_group_request
from tests.service.uploads.test_incoming_file import refused
from tests.support import images

PUBLIC_PATHS = ("/unsubscribe", "/login")
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
MANY = 80_000


def part(name: str, extra: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{extra}'
    return f"--x\r\n{head}\r\n\r\nx\r\n".encode()


@pytest.fixture
def keyed(settings: Settings) -> Settings:
    """Settings with API keys on, so that the login routes work."""
    return settings.replace(api_keys="on", rate_limits="off")


@pytest.mark.parametrize("path", PUBLIC_PATHS)
@pytest.mark.parametrize("more", [";" * 1900, ";a=b" * 480, ';a="' * 480, ';a="\\' * 380])
async def test_parameters_of_part_headers_cost_little(
    aiohttp_client: Any, keyed: Settings, path: str, more: str
) -> None:
    from service.app import create_app

    client = await aiohttp_client(create_app(keyed))
    body = b"".join(part(f"f{n}", more) for n in range(40)) + b"--x--\r\n"
    began = time.process_time()
    response = await client.post(path, data=body, headers=FORM)
    assert time.process_time() - began < 1
    assert response.status in {400, 422}


@pytest.mark.parametrize(
    "more", [";" * 6000, ";a=b" * 1500, '"\\"' * 2000, ';a="' * 1500, ';a="\\' * 1200, "\udcff"]
)
async def test_parameters_of_content_type_cost_little(
    client: Any, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    def parse_own_types_only(raw: str) -> Any:
        assert raw in {"application/problem+json; charset=utf-8", "application/problem+json"}
        return real(raw)

    real = helpers.parse_content_type
    monkeypatch.setattr(helpers, "parse_content_type", parse_own_types_only)
    began = time.process_time()
    for path in ("/unsubscribe", "/blur"):
        for kind in ("multipart/form-data", "application/x-www-form-urlencoded", "x", ""):
            head = {"Content-Type": f"{kind}; boundary=x{more}"}
            response = await client.post(path, data=b"x", headers=head)
            await refused(response, response.status, (await response.json())["code"])
            assert response.status in {400, 422}
    assert time.process_time() - began < 2


async def test_unknown_field_is_refused_at_once(client: Any) -> None:
    body = part("nope") + part("email") * 30 + b"--x--\r\n"
    response = await client.post("/unsubscribe", data=body, headers=FORM)
    problem = await refused(response, 422, "bad_parameter")
    assert (problem["parameter"], problem["known"]) == ("nope", ["email"])


async def test_a_files_name_may_have_semicolons(client: Any) -> None:
    form = images.form(images.png(), "a;b;c;d;e;f.png")
    response = await client.post("/blur", data=form)
    assert response.status == 202


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (GroupRequest, {"tasks": [1] * MANY}),
        (ItemsRequest, {"images": [1] * MANY}),
        (ItemsRequest, {"images": [{"input": "a", "output": "b"}], "operations": [1] * MANY}),
    ],
)
def test_only_the_first_of_many_wrong_elements_is_reported(
    model: type[BaseModel], document: Any
) -> None:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate(document)
    assert refusal.value.error_count() <= 2  # an element has up to two types, one error each


async def test_many_validation_errors_are_counted_and_not_described(
    client: Any, settings: Settings
) -> None:
    extra = {f"x{number}": 1 for number in range(20_000)}
    for tasks in (["a"], [{"task_id": "a", **extra}]):
        document = {"tasks": tasks, **(extra if tasks == ["a"] else {})}
        response = await client.post("/groups", json=document)
        problem = await refused(response, 400, "bad_request")
        assert problem["detail"].startswith("the body has 2000")
    with pytest.raises(BadRequest, match="images.0: "):
        read_items_request({"images": [1] * MANY}, settings.uploads)
    with pytest.raises(BadRequest, match="tasks.0"):
        read_group_request({"tasks": [1] * settings.uploads.max_group}, settings)
    with pytest.raises(BadParameter, match="80000 tasks; at most"):
        read_group_request({"tasks": [1] * MANY}, settings)
