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
