"""Stylesheets and scripts of the pages."""

from __future__ import annotations

import gzip

import pytest

from tests.conftest import Client
from tests.support.page_scripts import STATIC


async def test_static_file_has_a_media_type_and_an_etag(client: Client) -> None:
    response = await client.get("/static/darkroom.css")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get("/static/darkroom.css", headers=again)).status == 304


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("gzip, deflate", True), ("br;q=1, GZIP;q=0.5", True), ("gzip;q=0", False), ("", False)],
)
async def test_texts_are_compressed_for_those_who_can(
    client: Client, accepted: str, zipped: bool
) -> None:
    headers = {"Accept-Encoding": accepted}
    response = await client.get("/static/darkroom.css", headers=headers, auto_decompress=False)
    data, plain = await response.read(), (STATIC / "darkroom.css").read_bytes()
    assert (gzip.decompress(data) if zipped else data) == plain
    assert response.headers.get("Content-Encoding") == ("gzip" if zipped else None)
    assert response.headers["Vary"] == "Accept-Encoding"
    again = headers | {"If-None-Match": response.headers["ETag"]}
    assert (await client.get("/static/darkroom.css", headers=again)).status == 304


async def test_pictures_are_not_compressed_again(client: Client) -> None:
    response = await client.get("/static/sample.jpg", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers
    assert await response.read() == (STATIC / "sample.jpg").read_bytes()


@pytest.mark.parametrize("name", ["nothing.css", "..%2f..%2fapp.py", "app.py", "..%5capp.py"])
async def test_other_paths_are_not_found(client: Client, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status in {404, 405}
    assert (await response.json())["code"] == "not_found"
