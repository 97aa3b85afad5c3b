"""How a message leaves: to the mail server, or as a file where none is set."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Coroutine
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import structlog
from aiosmtplib.errors import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPTimeoutError,
)

from models.settings import Settings
from workers.outbox import Refused, Trouble

log = structlog.get_logger()

_WHOLE = 10  # times SMTP_TIMEOUT a letter may take, however quick each answer is
_ODD = re.compile(r"[^A-Za-z0-9.@_-]")


class _TooLong(Exception):
    """The conversation about one letter has no end."""


class Post:
    """One way out; keeps its connection from letter to letter until ``rest`` is called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: aiosmtplib.SMTP | None = None

    async def send(self, message: EmailMessage) -> None:
        """Hand the message over; when this returns, somebody else answers for it.

        Raises:
            Trouble, Refused: it was not taken.
        """
        try:
            if self._settings.smtp_host:
                await _within(_WHOLE * self._settings.smtp_timeout, self._hand_over(message))
            else:
                await asyncio.to_thread(self._write, message)
        except BaseException as error:
            self._drop()  # in whatever state it is: the next letter gets a new connection
            refusal = self._late(error) or _refusal(error)
            if refusal is not None:
                raise refusal from error
            raise

    async def rest(self) -> None:
        """Let go of the connection: nothing is due."""
        server, self._server = self._server, None
        if server is not None and server.is_connected:
            try:
                await server.quit()
            except (SMTPException, OSError):
                server.close()

    def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _hand_over(self, message: EmailMessage) -> None:
        if self._server is not None and not self._server.is_connected:
            self._drop()
        if self._server is None:
            self._server = await self._connect()
        data = await asyncio.to_thread(message.as_bytes)
        await self._server.sendmail(_box(message["From"]), [_box(message["To"])], data)

    def _late(self, error: BaseException) -> Trouble | None:
        """Return what an error says of our patience; None if it says nothing."""
        limit = self._settings.smtp_timeout
        if isinstance(error, SMTPTimeoutError):
            return Trouble(f"no answer of the mail server within {limit:g} s (SMTP_TIMEOUT)")
        if isinstance(error, _TooLong):
            return Trouble(
                f"the letter took more than {_WHOLE * limit:g} s, {_WHOLE} times SMTP_TIMEOUT"
            )
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        s = self._settings
        context = None
        if s.smtp_tls != "none":  # in a thread: it reads the machine's whole list of authorities
            context = await asyncio.to_thread(_context, s.smtp_ca_file)
        server = aiosmtplib.SMTP(
            hostname=s.smtp_host,
            port=s.smtp_port,
            username=s.smtp_user or None,
            password=s.smtp_password.get_secret_value() or None,
            local_hostname=socket.gethostname(),  # the default asks the DNS, and waits
            timeout=s.smtp_timeout,
            use_tls=s.smtp_tls == "tls",
            start_tls=s.smtp_tls == "starttls",  # True: an error where it is not offered
            tls_context=context,
        )
        try:
            await server.connect()
        except BaseException:
            server.close()
            raise
        return server

    def _write(self, message: EmailMessage) -> None:
        """Write the message to the outbox's folder: whole or not at all, readable by us only."""
        folder = self._settings.data_dir / "outbox"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{_ODD.sub('', message['Message-ID'])}.eml"
        half = path.with_suffix(".part")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)


async def _within(seconds: float, conversation: Coroutine[Any, Any, None]) -> None:
    """Await a conversation, and end it surely after ``seconds`` or when cancelled.

    asyncio.timeout would not do: it cancels once, and asyncio.wait_for (in aiosmtplib) loses a
    cancellation that comes with an answer on 3.11.

    Raises:
        _TooLong: it had not ended by itself.
    """
    task = asyncio.create_task(conversation)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)
    if task.cancelled():
        raise _TooLong
    task.result()


def _box(header: AddressHeader) -> str:
    return str(header.addresses[0].addr_spec)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def _refusal(error: BaseException) -> Trouble | Refused | None:
    """Return what an error means for the letter; None for what is no trouble of the post."""
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        return _refusal(error.recipients[0])
    if isinstance(error, (SMTPRecipientRefused, SMTPSenderRefused, SMTPDataError)):
        said = f"the mail server answered {error.code}: {error.message}"[:500]
        return Refused(said) if error.code >= 500 else Trouble(said)
    # A refused login or greeting is not the letter's fault, whatever its code: somebody mends it.
    if isinstance(error, (SMTPException, OSError)):  # OSError: also TimeoutError, ssl.SSLError
        return Trouble(f"{type(error).__name__}: {error}"[:500])
    return None
