"""Helpers for e-mail tests: a real SMTP server, groups with results, senders in this process."""

from __future__ import annotations

import asyncio
import io
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from PIL import Image

from models.outbox.email import Email
from models.settings import Settings
from models.store import Store
from models.tasks.group import Member
from models.tasks.task import Result, Upload
from standalone.embedded_stores import free_port
from tests.support import images
from workers.mail.sender import EmailSender

USER, PASSWORD = "darkroom", "correct horse battery"


class Mailbox:
    """A handler that keeps messages; ``replies`` are its first replies to DATA, then it accepts."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.received: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.replies: list[str] = []
        self.refused: dict[str, str] = {}
        self.logins = 0

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        if self.replies:
            return self.replies.pop(0)
        self.messages.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins += 1
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=good, handled=good)


class GatedMailbox(Mailbox):
    """A mailbox that accepts a message only when ``go`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived, self.go = threading.Event(), threading.Event()

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.arrived.set()
        await asyncio.to_thread(self.go.wait, 30)
        return await super().handle_DATA(server, session, envelope)


@contextmanager
def mail_server(
    mailbox: Mailbox,
    *,
    port: int = 0,
    tls: str = "none",
    context: ssl.SSLContext | None = None,
    login: bool = False,
) -> Iterator[int]:
    """Run an SMTP server in a thread; yields its port."""
    options: dict[str, Any] = {}
    if login:
        options |= {
            "authenticator": mailbox.authenticate,
            "auth_required": True,
            "auth_require_tls": tls == "starttls",
        }
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port or free_port(),
        ssl_context=context if tls == "tls" else None,
        ready_timeout=60,
        **options,
    )
    controller.start()
    try:
        yield int(controller.port)
    finally:
        controller.stop()


def smtp_settings(settings: Settings, port: int, **more: Any) -> Settings:
    """Return settings that send e-mail to a server on this machine."""
    chosen = {
        "smtp_host": "localhost",
        "smtp_port": port,
        "smtp_tls": "none",
    }
    return settings.replace(**{**chosen, **more})


async def send_due(settings: Settings, store: Store) -> int:
    """Send all that is due now; return how many e-mails were claimed."""
    sender, count = await EmailSender.open(settings, store), 0
    while await send_one(sender):
        count += 1
    await sender.on_idle()
    return count


async def send_one(sender: EmailSender) -> bool:
    """Claim one e-mail that is due and send it; False if none is due."""
    email = await sender.claim()
    if email is not None:
        await sender.deliver(email)
    return email is not None


async def all_emails(store: Store) -> list[Email]:
    return [
        Email.model_validate(d) async for d in store.emails._collection.find().sort("created_at", 1)
    ]


async def only_email(store: Store) -> Email:
    (email,) = await all_emails(store)
    return email


async def make_due(store: Store) -> None:
    """Make all e-mails due now."""
    await store.emails._collection.update_many({}, [{"$set": {"due_at": "$$NOW"}}])


async def backdate(store: Store, seconds: float, *fields: str) -> None:
    """Make e-mails older than they are."""
    earlier = {f: {"$subtract": [f"${f}", round(seconds * 1000)]} for f in fields}
    await store.emails._collection.update_many({}, [{"$set": earlier}])


def body(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def link_in(message: EmailMessage, path: str) -> str:
    """Return the first link to ``path`` in a message's text, from its path on."""
    words = [word for word in body(message).split() if path in word]
    return words[0][words[0].index(path) :]


async def finished_task(store: Store, name: str, data: bytes, op: str = "grayscale") -> str:
    """Put a task that succeeded into the ledger; return its id."""
    task_id = await unfinished_task(store, name, op)
    await store.leases.claim(task_id, worker="w", token="t", seconds=60, max_attempts=3)
    file_id = await store.results.put(
        io.BytesIO(data), f"made-{name}", {"task_id": task_id, "token": "t"}
    )
    result = Result(
        file_id=file_id, format="png", width=1, height=1, bytes=len(data), sha256="0" * 64
    )
    await store.leases.finish(task_id, "t", [result])
    return task_id


async def unfinished_task(store: Store, name: str, op: str = "grayscale") -> str:
    """Put a task that no worker claims into the ledger; return its id."""
    fingerprint = secrets.token_hex(32)
    original = await store.originals.put(io.BytesIO(b"x"), name, {"key": fingerprint})
    await store.tasks.create(
        fingerprint,
        original_id=original,
        original_sha256=fingerprint,
        upload=Upload(name=name, results=[f"made-{name}"]),
        operations=[{"op": op}],
        output="png",
    )
    return fingerprint[:32]


async def fail_task(store: Store, task_id: str, detail: str) -> None:
    await store.leases.claim(task_id, worker="w", token="t", seconds=60, max_attempts=3)
    await store.leases.fail(task_id, "t", {"code": "bad_image", "detail": detail})


async def group_of(store: Store, *members: Member, email: str | None = "ann@example.org") -> str:
    group_id = secrets.token_hex(16)
    await store.groups.create(group_id, members, email)
    return group_id


def small_png() -> bytes:
    return images.encoded(Image.new("RGB", (4, 4), "red"))


async def wait_until(condition: Any, seconds: float = 30) -> None:
    """Wait until the condition is true; fail after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
