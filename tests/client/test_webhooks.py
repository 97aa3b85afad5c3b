"""Webhooks are verified: what the product signs fits, and nothing else."""

from __future__ import annotations

import base64
import json

import pytest
from darkroom.client import Group, NotVerified, Task, verify
from standardwebhooks import Webhook as Standard

NOW = 1_795_716_065
OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([n]) * 24).decode() for n in (1, 2, 3))
TASK = {
    "task_id": "1" * 32,
    "group_id": "2" * 32,
    "status": "SUCCESS",
    "progress": 100,
    "eta_seconds": 0,
    "name": "cat.png",
    "results": [],
    "error": None,
}
BODY = json.dumps({"type": "task.succeeded", "timestamp": "…", "data": TASK}).encode()


def signed(*secrets: str, body: bytes = BODY, at: int = NOW) -> dict[str, str]:
    """Return the headers of a call, signed by the library that receivers would use."""
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(at, UTC)
    signatures = [Standard(each).sign("msg_1", moment, body.decode()) for each in secrets]
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": " ".join(signatures),
    }


@pytest.mark.parametrize("secrets", [NEW, [NEW], [OLD, NEW], f"{OLD} {NEW}", f"{OLD}\n{NEW}\n"])
def test_one_secret_that_fits_is_enough(secrets: str | list[str]) -> None:
    webhook = verify(signed(OTHER, NEW), BODY, secrets, now=NOW)
    assert (webhook.id, webhook.type) == ("msg_1", "task.succeeded")
    assert isinstance(webhook.about, Task) and webhook.about.name == "cat.png"


def test_a_group() -> None:
    group = {**TASK, "total": 1, "done": 1, "failed": 0, "archive_url": None, "tasks": [TASK]}
    body = json.dumps({"type": "group.failed", "data": group}).encode()
    webhook = verify(signed(OLD, body=body), body, OLD, now=NOW)
    assert isinstance(webhook.about, Group) and webhook.about.tasks[0].id == "1" * 32


@pytest.mark.parametrize(
    ("changes", "body", "said"),
    [
        ({}, BODY + b" ", "no signature fits"),
        ({"Webhook-Id": "msg_2"}, BODY, "no signature fits"),
        ({"Webhook-Timestamp": str(NOW + 1)}, BODY, "no signature fits"),
        ({"Webhook-Timestamp": "1e9"}, BODY, "not a number"),
        ({"Webhook-Timestamp": "٣"}, BODY, "not a number"),
        ({"Webhook-Timestamp": "9" * 5000}, BODY, "no signature fits"),
        ({"Webhook-Signature": ""}, BODY, "no signature fits"),
        ({"Webhook-Signature": "v1,ä v1 v2,AAAA v1,===="}, BODY, "no signature fits"),
        ({"Webhook-Signature": None}, BODY, "webhook-signature is missing"),
    ],
)
def test_refused(changes: dict[str, str | None], body: bytes, said: str) -> None:
    headers = {k: v for k, v in (signed(OLD) | changes).items() if v is not None}
    with pytest.raises(NotVerified, match=said):
        verify(headers, body, OLD, now=NOW)


@pytest.mark.parametrize(("late", "fits"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_age(late: int, fits: bool) -> None:
    if fits:
        verify(signed(OLD), BODY, OLD, now=NOW + late)
    else:
        with pytest.raises(NotVerified, match="at most 300 s"):
            verify(signed(OLD), BODY, OLD, now=NOW + late)


def test_another_secret_does_not_fit() -> None:
    with pytest.raises(NotVerified):
        verify(signed(OLD), BODY, [NEW, OTHER], now=NOW)


@pytest.mark.parametrize("secrets", ["", [], "whsec_", ["whsec_not base64!"]])
def test_without_a_secret_nothing_is_accepted(secrets: str | list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify(signed(OLD), BODY, secrets, now=NOW)


@pytest.mark.parametrize("body", [b"[]", b"{}", b"no json", b'{"type": "task.succeeded"}'])
def test_signed_but_no_webhook(body: bytes) -> None:
    with pytest.raises(NotVerified, match="not a webhook"):
        verify(signed(OLD, body=body), body, OLD, now=NOW)
