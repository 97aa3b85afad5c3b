"""What the API offers: GET /operations."""

from __future__ import annotations

from tests.conftest import Client


async def test_operations_are_compressed_for_those_who_ask(client: Client) -> None:
    plain = await client.get("/operations", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    packed = await client.get("/operations", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    for response in (plain, packed):
        assert response.headers["Vary"] == "Accept-Encoding"
    assert await packed.json() == await plain.json()


async def test_operations_list_the_scales_there_are_networks_for(client: Client) -> None:
    listed = (await (await client.get("/operations")).json())["operations"]
    by_name = {each["op"]: each["parameters"]["properties"] for each in listed}
    scale = by_name["upscale"]["scale"]
    assert scale["enum"] == [2, 3, 4] and "maximum" not in scale
    assert by_name["resize"]["scale"]["anyOf"][0]["exclusiveMaximum"] == 100
    document = await (await client.get("/openapi.json")).json()
    form = document["paths"]["/upscale"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["scale"]["enum"] == scale["enum"]
