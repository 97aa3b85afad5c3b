"""format=auto by Accept, max_bytes and progressive: beside any operation, and of convert."""

from __future__ import annotations

from typing import Any

from tests.service.uploads.test_incoming_file import refused
from tests.support import images

BROWSER = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"
PNG, JPEG = images.png(60, 40), images.jpeg(60, 40)


async def send(
    client: Any, path: str, fields: dict[str, str], accept: str = "*/*", data: bytes = PNG
) -> Any:
    form = images.form(data, "cat.png", **fields)
    return await client.post(path, data=form, headers={"Accept": accept})


async def operations(response: Any) -> list[dict[str, Any]]:
    body = await response.json()
    assert response.status == 202, body
    found: list[dict[str, Any]] = body["operations"]
    return found


async def test_auto_takes_the_smallest_format_that_is_named(client: Any) -> None:
    for accept, output in (
        (BROWSER, "avif"),
        ("image/webp, image/avif;q=0", "webp"),
        ("application/json, IMAGE/WEBP;q=0.1", "webp"),
        ("image/*, application/json", "png"),
        ("*/*", "png"),
        ("", "png"),
    ):
        asked = {"format": "auto", "quality": "" if output == "png" else "50"}
        response = await send(client, "/convert", asked, accept)
        assert response.headers["Vary"].split(", ")[-1] == "Accept"
        (found,) = await operations(response)
        assert (found["op"], found["format"]) == ("convert", output)
        assert found["quality"] == (None if output == "png" else 50)


async def test_auto_is_the_task_of_the_format_that_it_chooses(client: Any) -> None:
    for path, fields in (("/blur", {"sigma": "3"}), ("/process", {"operations": "resize=2"})):
        chosen = await send(client, path, {"format": "auto", **fields}, BROWSER)
        named = await send(client, path, {"format": "avif", **fields})
        assert (await chosen.json())["task_id"] == (await named.json())["task_id"]
        assert "Accept" in chosen.headers["Vary"]
        assert "Accept" not in named.headers.get("Vary", "")
        as_sent = await send(client, path, {"format": "AUTO", **fields}, data=JPEG)
        plain = await send(client, path, fields, data=JPEG)
        assert (await as_sent.json())["task_id"] == (await plain.json())["task_id"]


async def test_auto_in_a_query_and_for_several_pictures(client: Any) -> None:
    response = await client.put(
        "/convert?format=auto&max_bytes=9000", data=PNG, headers={"Accept": "image/webp"}
    )
    (found,) = await operations(response)
    assert found == {"op": "convert", "format": "webp", "quality": None, "max_bytes": 9000}
    form = images.form(PNG, "a.png", format="auto")
    form.add_field("image", JPEG, filename="b.jpg")
    body = await (await client.post("/convert", data=form)).json()
    assert [task["operations"][0]["format"] for task in body["tasks"]] == ["png", "jpeg"]


async def test_refusals(client: Any) -> None:
    for fields, said in (
        ({"max_bytes": "9000"}, "ask for jpeg, webp or avif"),  # of a PNG
        ({"format": "avif", "progressive": "1"}, "progressive is for jpeg"),
        ({"format": "jpeg", "progressive": "2"}, "progressive"),
        ({"format": "jpeg", "max_bytes": "0"}, "max_bytes"),
        ({"format": "jpeg", "max_bytes": "9" * 20}, "max_bytes"),  # too large for MongoDB
        ({"format": "jpeg", "max_bytes": "9" * 5000}, "max_bytes"),
        ({"format": "heic"}, "png, jpeg, webp, avif, gif, auto"),
    ):
        body = await refused(await send(client, "/blur", fields), 422, "bad_parameter")
        assert said in body["detail"]
    for path in ("/convert", "/process"):
        fields = {"operations": "blur"} if path == "/process" else {}
        response = await send(client, path, {"format": "auto", "nonsense": "1", **fields})
        await refused(response, 422, "bad_parameter")


async def test_results(client: Any, worker: Any) -> None:
    """In a child in its sandbox, up to the download."""
    for fields, media in (
        ({"format": "avif", "max_bytes": "1000"}, "image/avif"),
        ({"format": "webp", "max_bytes": "1000"}, "image/webp"),
        ({"format": "jpeg", "progressive": "1"}, "image/jpeg"),
    ):
        response = await send(client, "/resize?wait=60", {"scale": "2", **fields})
        task = await response.json()
        assert task["status"] == "SUCCESS", task
        (result,) = task["results"]
        got = await client.get(result["url"])
        data = await got.read()
        assert (got.content_type, len(data)) == (media, result["bytes"])
        assert images.decoded(data).size == (120, 80)
        if "max_bytes" in fields:
            assert len(data) <= int(fields["max_bytes"])
            assert "highest that fits" in result["notes"][-1]
        else:
            assert images.decoded(data).info["progressive"]
    response = await send(client, "/blur?wait=60", {"format": "jpeg", "max_bytes": "20"})
    task = await response.json()
    assert (task["status"], task["error"]["code"]) == ("FAILURE", "bad_parameter")
    assert task["error"]["parameter"] == "max_bytes"
