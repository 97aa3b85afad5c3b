"""report=1: a task returns measurements of its processing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.conftest import Client
from tests.support import images

Send = Callable[..., Awaitable[Any]]


async def test_report_only_if_requested(client: Client, worker: Any, send: Send) -> None:
    plain = await (await send(query="?wait=30")).json()
    assert (plain["status"], plain["report"]) == ("SUCCESS", None)
    reported = await (await send(query="?wait=30", report="1")).json()
    assert reported["status"] == "SUCCESS"
    assert reported["task_id"] != plain["task_id"]
    assert reported["results"][0]["sha256"] == plain["results"][0]["sha256"]
    assert set(reported["report"]["ms"]) == {"decode", "upscale", "encode"}
    (figures,) = reported["report"]["upscales"]
    assert set(figures) == {
        *("model", "scale", "weights_sha256", "engine"),
        *("psnr", "ssim", "detail_gain_db"),
    }
    again = await (await send(query="?wait=30", report="1")).json()
    assert again == reported
    assert (await (await send(query="?wait=30", report="0")).json())["task_id"] == plain["task_id"]


async def test_report_repeats_steps_that_have_intermediate_results(
    client: Client, worker: Any, send: Send
) -> None:
    await send(query="?wait=30")
    form = images.form(images.png(), "cat.png", operations='["upscale=2","grayscale"]', report="1")
    task = await (await client.post("/process?wait=30", data=form)).json()
    assert set(task["report"]["ms"]) == {"decode", "upscale", "grayscale", "encode"}
    assert len(task["report"]["upscales"]) == 1


async def test_invalid_report_value_is_refused(client: Client, send: Send) -> None:
    response = await send(report="please")
    assert response.status == 422
    assert "report is 1 or 0, not 'please'" in (await response.json())["detail"]
