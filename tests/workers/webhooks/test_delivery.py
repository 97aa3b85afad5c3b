"""A deliver_url: results are PUT where a client wants them, by the outbox, with its rules."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from aiohttp import web

from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import Client, working
from tests.service.uploads.test_incoming_file import refused
from tests.support import images
from tests.support.input_files import heic
from tests.support.smtp import fail_task, wait_until
from tests.support.task_factory import RESULT, finish
from tests.support.webhook_receiver import (
    all_webhooks,
    deliver_due,
    only_webhook,
    outcomes,
    run_receiver,
    update_webhooks,
    webhook_settings,
)

SIGNED = "X-Amz-Credential=AKIA%2F20261130%2Fs3&X-Amz-Signature=ab%2Bcd%3D&x-id=PutObject"


async def open_client(aiohttp_client: Any, settings: Settings) -> Client:
    client: Client = await aiohttp_client(create_app(settings))
    return client


def form(*urls: str, pictures: int = 1, **fields: str) -> Any:
    made = images.form(images.png(seed=1), "cat.png", **fields)
    for number in range(1, pictures):
        made.add_field("image", images.png(seed=1 + number), filename=f"dog-{number}.png")
    for url in urls:
        made.add_field("deliver_url", url)
    return made


async def deliveries(client: Any, task_id: str) -> list[Any]:
    answer = await client.get(f"/tasks/{task_id}/deliveries")
    assert answer.status == 200
    return list((await answer.json())["deliveries"])


async def test_each_result_goes_to_its_presigned_url(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """Two pictures of four results; the URL is called to the letter, since it is signed."""
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        base = f"http://127.0.0.1:{receiver.port}/bucket/a%20b"
        urls = [f"{base}/{number}.png?{SIGNED}" for number in range(8)]
        data = form(*urls, pictures=2, operations="split")
        async with working(chosen):
            body = await (await client.post("/process?wait=60", data=data)).json()
            assert body["status"] == "SUCCESS"

            async def all_sent() -> bool:
                return len(receiver.calls) == 8

            await wait_until(all_sent, 20)
        sent = dict(zip(receiver.paths, receiver.calls, strict=True))
        for place, task in enumerate(body["tasks"]):
            for number, result in enumerate(task["results"]):
                path = f"/bucket/a%20b/{4 * place + number}.png?{SIGNED}"
                headers, data = sent[path]
                assert hashlib.sha256(data).hexdigest() == result["sha256"]
                assert headers["Content-Type"] == "image/png"
                assert headers["Content-Length"] == str(result["bytes"])
                assert headers["x-ms-blob-type"] == "BlockBlob"
                assert headers["webhook-id"].startswith("msg_")
                assert "Transfer-Encoding" not in headers and "webhook-signature" not in headers
        listed = await deliveries(client, body["tasks"][1]["task_id"])
        assert {(each["result"], each["status"], each["name"]) for each in listed} == {
            (number, "SENT", "dog-1.png") for number in range(4)
        }
        assert all(SIGNED not in json.dumps(each) for each in listed)
        (webhook, *_) = await all_webhooks(store)
        assert outcomes(webhook) == ["delivered"]


async def submitted(client: Client, *urls: str, path: str = "/grayscale", **more: Any) -> Any:
    answer = await client.post(path, data=form(*urls, **more))
    body = await answer.json()
    assert answer.status in {200, 202}, body
    return body


async def test_a_template_has_the_name_of_the_result(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        where = f"http://127.0.0.1:{receiver.port}/in/{{name}}?as={{name}}"
        body = await submitted(client, where, path="/split", pictures=2)
        async with working(chosen):
            await client.get(f"/status/{body['group_id']}?wait=60")

            async def all_sent() -> bool:
                return len(receiver.calls) == 8

            await wait_until(all_sent, 20)
        names = {f"{each}-split-{n}.png" for each in ("cat", "dog-1") for n in (1, 2, 3, 4)}
        assert set(receiver.paths) == {f"/in/{name}?as={name}" for name in names}


async def test_a_finished_task_is_delivered_at_once_and_again_elsewhere(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        body = await submitted(client, receiver.url)
        await finish(store, body["task_id"])
        assert await deliver_due(chosen, store) == 0  # it waits for the end of its task
        await store.pending_webhooks.release([body["task_id"]])
        assert await deliver_due(chosen, store) == 1
        again = await submitted(client, f"{receiver.url}?2")
        assert again["task_id"] == body["task_id"]
        assert await deliver_due(chosen, store) == 1
        assert [data for _, data in receiver.calls] == [RESULT, RESULT]
        assert receiver.paths == ["/hook", "/hook?2"]


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        *((503, False), (409, False), (307, False)),
        *((403, True), (410, True)),
    ],
)
async def test_what_is_tried_again(
    settings: Settings, aiohttp_client: Any, store: Store, status: int, ended: bool
) -> None:
    """A signature that has expired (403) does not get better."""
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        body = await submitted(client, f"{receiver.url}?secret=1")
        await finish(store, body["task_id"])
        await store.pending_webhooks.release([body["task_id"]])
        receiver.responses.append(web.Response(status=status, headers={"Location": "/x"}))
        assert await deliver_due(chosen, store) == 1
        (listed,) = await deliveries(client, body["task_id"])
        assert listed["error"] == f"the receiver answered {status}"
        assert listed["url"] == receiver.url
        assert listed["status"] == ("FAILED" if ended else "CREATED")
        await update_webhooks(store, {"due_at": (await only_webhook(store)).created_at})
        assert await deliver_due(chosen, store) == (0 if ended else 1)
        assert len(receiver.calls) == (1 if ended else 2)
        if not ended:
            (listed,) = await deliveries(client, body["task_id"])
            assert (listed["status"], listed["attempts"], listed["error"]) == ("SENT", 2, None)


async def test_without_a_result_nothing_is_sent(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """A failed task has none, and one that is deleted before it was sent is gone."""
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver)
        client = await open_client(aiohttp_client, chosen)
        body = await submitted(client, receiver.url)
        await fail_task(store, body["task_id"], "broken")
        await store.pending_webhooks.release([body["task_id"]])
        await deliver_due(chosen, store)
        assert (await only_webhook(store)).status is DeliveryStatus.FAILED
        (listed,) = await deliveries(client, body["task_id"])
        assert listed["error"] == "the task has no results: see its error"
        # Its restart delivers after all.
        assert (await client.post(f"/tasks/{body['task_id']}/retry")).status == 202
        await finish(store, body["task_id"])
        await store.pending_webhooks.release([body["task_id"]])
        assert await deliver_due(chosen, store) == 1
        assert [data for _, data in receiver.calls] == [RESULT]
        later = await submitted(client, f"{receiver.url}?later")
        (name,) = [each["name"] for each in later["results"]]
        assert (await client.delete(f"/processed/{name}")).status == 204
        await deliver_due(chosen, store)
        statuses = [each["status"] for each in await deliveries(client, body["task_id"])]
        assert statuses == ["FAILED", "SENT", "FAILED"] and len(receiver.calls) == 1


REFUSED = [
    (["{0}?1", "{0}?2"], "2 deliver_url came for 1 results"),
    (["http://10.0.0.1/x"], "this deliver_url is not called: its host 10.0.0.1 is not a public"),
    (["ftp://example.org/x"], "does not begin with https"),
    (["https://user:word@example.org/x"], "user name or password"),
    (["https://example.org:22/x"], "its port is 22"),
    (["https://{name}.example.org/x"], "not in its host"),
    (["https://{name}/x"], "not in its host"),
    (["https://{name}.example.org//x"], "not in its host"),
    (["https://{name}.example.org?x"], "not in its host"),
    (["https://example.org?{name}#x"], "fragment"),
    (["https://example.org/" + 2000 * "x"], "at most 2000"),
    (["https://example.org/a b"], "encode them"),
]


async def test_what_is_refused(settings: Settings, aiohttp_client: Any, store: Store) -> None:
    async with run_receiver() as receiver:
        client = await open_client(aiohttp_client, webhook_settings(settings, receiver))
        for urls, said in REFUSED:
            given = [url.replace("{0}", receiver.url) for url in urls]
            body = await (await client.post("/grayscale", data=form(*given))).json()
            assert body["status"] == 422 and said in body["detail"], body
        assert await all_webhooks(store) == []
    off = await open_client(aiohttp_client, settings.replace(webhooks=False))
    answer = await off.post("/grayscale", data=form("https://example.org/x"))
    assert (await refused(answer, 422, "bad_callback"))["setting"] == "WEBHOOKS"


async def test_limits_and_other_bodies(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        few = webhook_settings(
            settings, receiver, webhooks_per_client=3, rate_limits="on", max_batch_results=5
        )
        client = await open_client(aiohttp_client, few)
        many = [f"{receiver.url}?{number}" for number in range(6)]
        answer = await client.post("/grayscale", data=form(*many))
        await refused(answer, 400, "bad_request")
        png = {"Content-Type": "image/png"}
        where = f"/grayscale?filename=d%C3%B6g(1).png&deliver_url={receiver.url}/{{name}}"
        body = await (await client.put(where, data=images.png(seed=1), headers=png)).json()
        answer = await client.post("/split", data=form(f"{receiver.url}/{{name}}"))
        await refused(answer, 429, "rate_limited")  # four results count as four calls
        (webhook,) = await all_webhooks(store)
        assert (webhook.subject, webhook.result) == (body["task_id"], 0)
        assert webhook.url == f"{receiver.url}/d%C3%B6g%281%29-grayscale.png"


async def test_a_refused_picture_has_no_delivery(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as receiver:
        client = await open_client(aiohttp_client, webhook_settings(settings, receiver))
        data = images.form(b"no picture", "bad.png")
        data.add_field("image", images.png(), filename="good.png")
        for number in range(2):
            data.add_field("deliver_url", f"{receiver.url}?{number}")
        await client.post("/grayscale", data=data)
        (webhook,) = await all_webhooks(store)
        assert (webhook.name, webhook.url) == ("good.png", f"{receiver.url}?1")


async def test_a_darkroom_takes_no_delivery(client: Any) -> None:
    """One whose query asks for the next delivery would go round for ever."""
    marked = {"webhook-id": "msg_1", "Content-Type": "image/png"}
    await refused(
        await client.put("/grayscale", data=images.png(), headers=marked), 403, "forbidden"
    )


async def test_another_client_does_not_see_them(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    """Two clients may share a task while keys are off."""
    async with run_receiver() as receiver:
        chosen = webhook_settings(settings, receiver, proxies=1)
        client = await open_client(aiohttp_client, chosen)
        body = await submitted(client, receiver.url)
        assert len(await deliveries(client, body["task_id"])) == 1
        other = {"X-Forwarded-For": "192.0.2.7"}
        answer = await client.get(f"/tasks/{body['task_id']}/deliveries", headers=other)
        assert (await answer.json())["deliveries"] == []
    assert (await client.get(f"/tasks/{'0' * 32}/deliveries")).status == 404


async def test_a_heic_by_url_comes_back_as_avif_in_a_bucket(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    async with run_receiver() as server:
        chosen = webhook_settings(settings, server, input_formats="png,jpeg,heic")
        client = await open_client(aiohttp_client, chosen)
        server.responses.append(web.Response(body=heic(), content_type="image/heic"))
        order = {
            "image_url": f"{server.url}/phone.heic",
            "deliver_url": f"{server.url}/out.avif?{SIGNED}",
            "operations": ["upscale=2", "watermark=© Ada"],
            "format": "avif",
            "max_bytes": 100_000,
        }
        async with working(chosen):
            body = await (await client.post("/process?wait=60", json=order)).json()
            assert body["status"] == "SUCCESS", body

            async def came() -> bool:
                return len(server.calls) == 2

            await wait_until(came, 20)
        headers, data = server.calls[1]
        assert server.paths[1] == f"/hook/out.avif?{SIGNED}"
        assert headers["Content-Type"] == "image/avif" and len(data) < 100_000
        made = images.decoded(data)
        assert (made.format, made.size) == ("AVIF", (256, 128))
