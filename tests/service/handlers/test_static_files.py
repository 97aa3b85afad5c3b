"""Stylesheets and scripts of the pages."""

from __future__ import annotations

import pytest

from tests.conftest import Client


async def test_static_file_has_a_media_type_and_an_etag(client: Client) -> None:
    response = await client.get("/static/darkroom.css")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get("/static/darkroom.css", headers=again)).status == 304


@pytest.mark.parametrize("name", ["nothing.css", "..%2f..%2fapp.py", "app.py", "..%5capp.py"])
async def test_other_paths_are_not_found(client: Client, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status in {404, 405}
    assert (await response.json())["code"] == "not_found"
