"""report=1: a task says what was measured while its picture was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.conftest import Client
from tests.support import images

Send = Callable[..., Awaitable[Any]]


async def test_a_report_only_where_it_is_asked_for(client: Client, worker: Any, send: Send) -> None:
    plain = await (await send(query="?wait=30")).json()
    assert (plain["status"], plain["report"]) == ("SUCCESS", None)
    asked = await (await send(query="?wait=30", report="1")).json()
    assert asked["status"] == "SUCCESS"
    assert asked["task_id"] != plain["task_id"]
    assert asked["results"][0]["sha256"] == plain["results"][0]["sha256"]
    assert set(asked["report"]["ms"]) == {"decode", "upscale", "encode"}
    (figures,) = asked["report"]["upscales"]
    assert set(figures) == {
        *("model", "scale", "weights_sha256", "engine"),
        *("psnr", "ssim", "detail_gain_db"),
    }
    again = await (await send(query="?wait=30", report="1")).json()
    assert again == asked
    assert (await (await send(query="?wait=30", report="0")).json())["task_id"] == plain["task_id"]


async def test_a_pipeline_measures_what_others_did_already(
    client: Client, worker: Any, send: Send
) -> None:
    await send(query="?wait=30")
    form = images.form(images.png(), "cat.png", operations='["upscale=2","grayscale"]', report="1")
    task = await (await client.post("/process?wait=30", data=form)).json()
    assert set(task["report"]["ms"]) == {"decode", "upscale", "grayscale", "encode"}
    assert len(task["report"]["upscales"]) == 1


async def test_what_is_neither_yes_nor_no(client: Client, send: Send) -> None:
    answer = await send(report="please")
    assert answer.status == 422
    assert "report is 1 or 0, not 'please'" in (await answer.json())["detail"]
