"""Presets of an API key: PUT, DELETE and GET /presets, whose they are, and how many."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from models.store.presets import MAX_PRESETS
from service.openapi.document import OPENAPI
from tests.service.uploads.test_incoming_file import refused
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Credentials, KeyedService, StartService

FILE = '[shop]\noperations = ["flip"]\n[web]\noperations = ["resize=0.5"]\nformat = "webp"\n'


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    return api_key_clients.service_starter(settings, aiohttp_client)


@pytest.fixture
async def service(start_service: StartService, tmp_path: Path) -> KeyedService:
    """A service with FILE as PRESETS_FILE."""
    path = tmp_path / "presets.toml"
    path.write_text(FILE)
    return await start_service(presets_file=path, allow_anonymous=True)


async def asked(service: KeyedService, key: Credentials | None, preset: str) -> Any:
    """Return the operations of a task with ``preset``, or the error."""
    data = images.form(images.png(), "cat.png", preset=preset)
    _, body = await service.request("POST", "/process", key, data=data)
    return body.get("operations", body)


async def listed(service: KeyedService, key: Credentials | None) -> list[tuple[str, bool]]:
    _, body = await service.request("GET", "/presets", key)
    return [(each["name"], each["own"]) for each in body["presets"]]


async def test_a_preset_is_its_keys_alone(service: KeyedService) -> None:
    ann, bob = await service.key(name="ann"), await service.key(name="bob")
    said = {"operations": ["grayscale", {"op": "blur", "sigma": 2}], "format": "webp"}
    status, body = await service.request("PUT", "/presets/shop", ann, json=said)
    assert (status, body) == (
        200,
        {
            "name": "shop",
            "own": True,
            "operations": [{"op": "grayscale"}, {"op": "blur", "sigma": 2.0}],
            "format": "webp",
        },
    )
    await service.request("PUT", "/presets/a-b-9", ann, json={"operations": ["split"]})
    shared = [("shop", False), ("web", False)]
    assert await listed(service, ann) == [("a-b-9", True), ("shop", True), ("web", False)]
    assert await listed(service, bob) == await listed(service, None) == shared
    assert [each["op"] for each in await asked(service, ann, "shop")] == ["grayscale", "blur"]
    assert (await asked(service, bob, "shop"))[0]["op"] == "flip"
    assert (await asked(service, ann, "web"))[0]["op"] == "resize"
    for key in (bob, None):
        refusal = await asked(service, key, "a-b-9")
        assert (refusal["code"], refusal["known"]) == ("bad_parameter", ["shop", "web"])
    assert (await asked(service, ann, "x"))["known"] == ["a-b-9", "shop", "web"]

    replaced = {"operations": ["rotate=90"]}
    assert (await service.request("PUT", "/presets/shop", ann, json=replaced))[0] == 200
    assert (await asked(service, ann, "shop"))[0]["op"] == "rotate"
    assert (await service.request("DELETE", "/presets/shop", bob))[0] == 404
    assert (await service.request("DELETE", "/presets/shop", ann))[0] == 200
    assert (await asked(service, ann, "shop"))[0]["op"] == "flip"
    status, body = await service.request("DELETE", "/presets/shop", ann)
    assert (status, body["detail"]) == (404, "this key has no preset 'shop'")


async def test_who_may_change_them(service: KeyedService, client: Any) -> None:
    reader = await service.key(Scope.READ)
    said = {"operations": ["flip"]}
    assert (await service.request("PUT", "/presets/x", reader, json=said))[0] == 403
    assert (await service.request("DELETE", "/presets/x", reader))[0] == 403
    for status, body in (
        await service.request("PUT", "/presets/x", None, json=said),
        await service.request("DELETE", "/presets/x", None),
    ):
        assert (status, body["setting"]) == (404, "API_KEYS")
    without_keys = await client.put("/presets/x", json=said)
    assert (await refused(without_keys, 404, "not_found"))["setting"] == "API_KEYS"


REFUSED: list[tuple[str, Any, int, str]] = [
    ("X", {"operations": ["flip"]}, 422, "cannot be the name of a preset"),
    ("x.y", {"operations": ["flip"]}, 422, "cannot be the name of a preset"),
    ("$set", {"operations": ["flip"]}, 422, "cannot be the name of a preset"),
    ("x%0A", {"operations": ["flip"]}, 422, "cannot be the name of a preset"),
    (41 * "x", {"operations": ["flip"]}, 422, "cannot be the name of a preset"),
    ("x", ["flip"], 422, "a preset is an object"),
    ("x", {"operations": ["flop"]}, 422, "unknown operation 'flop'"),
    ("x", {"operations": [{"op": "flip", "$where": "1"}]}, 422, "unknown field '$where'"),
    ("x", {"operations": ["flip"], "email": "a@b.c"}, 422, "unknown field 'email'"),
    ("x", {"operations": [{"op": "blur", "sigma": 10**400}]}, 422, "sigma"),
    ("x", {"operations": [[[[]]]]}, 422, "send a list"),
    ("x", {"operations": ["flip"] * 21}, 422, "MAX_OPERATIONS"),
    ("x", {"operations": [{"op": "watermark", "text": "你" * 100}] * 18}, 413, "at most 10000"),
    ("x", {"operations": ["flip"], "description": "x" * 201}, 422, "description"),
    ("x", {"operations": ["flip"], "description": "x" * 300_000}, 413, "MAX_JSON_BYTES"),
]


async def test_what_is_refused(service: KeyedService) -> None:
    key = await service.key()
    for name, document, expected, said in REFUSED:
        for method in ("PUT", "DELETE") if "name of a preset" in said else ("PUT",):
            options = {"json": document} if method == "PUT" else {}
            status, body = await service.request(method, f"/presets/{name}", key, **options)
            assert status == expected, (name, body)
            assert said in body["detail"]
    broken = {"data": b'{"operations":', "headers": {"Content-Type": "application/json"}}
    assert (await service.request("PUT", "/presets/x", key, **broken))[0] == 400
    assert await listed(service, key) == [("shop", False), ("web", False)]


async def test_a_key_has_so_many_and_no_more(service: KeyedService) -> None:
    """Also of requests at once: the number is checked where it is stored."""
    key = await service.key()

    async def put(number: int) -> int:
        said = {"operations": ["flip"]}
        status, _ = await service.request("PUT", f"/presets/p{number}", key, json=said)
        return status

    answers = await asyncio.gather(*map(put, range(MAX_PRESETS + 5)))
    assert sorted(answers) == [200] * MAX_PRESETS + [422] * 5
    kept = answers.index(200)
    assert await put(kept) == 200  # in place of itself
    status, body = await service.request("PUT", "/presets/z", key, json={"operations": ["flip"]})
    assert (status, body["limit"]) == (422, MAX_PRESETS)
    await service.request("DELETE", f"/presets/p{kept}", key)
    assert (await service.request("PUT", "/presets/z", key, json={"operations": ["flip"]}))[
        0
    ] == 200


async def test_the_documented_calls_are_answered_as_declared(service: KeyedService) -> None:
    app: Any = service.client.app
    paths = app[OPENAPI].document["paths"]["/presets/{name}"]
    assert set(paths) == {"put", "delete"}
    sample = paths["put"]["x-codeSamples"][0]["source"]
    body = re.findall("-d '(.*?)'", sample)[0].encode()
    key = await service.key()
    assert (await service.request("PUT", "/presets/shop-photo", key, data=body))[0] == 200
    assert (await service.request("DELETE", "/presets/shop-photo", key))[0] == 200
