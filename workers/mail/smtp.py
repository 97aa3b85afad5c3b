"""Send messages to the SMTP server, or write them as .eml files if none is configured."""

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
from aiosmtplib.errors import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPTimeoutError,
)

from models.settings.mail import MailSettings
from workers.outbox import PermanentFailure, TemporaryFailure

_REPLY_SECONDS = 30.0  # one reply of the mail server may take; checks of content take a few
_MAX_REPLIES = 10  # times as long one e-mail may take, however fast each reply is
_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9.@_-]")


class SmtpClient:
    """Sends messages over one connection, which stays open until ``disconnect`` is called."""

    def __init__(self, settings: MailSettings, folder: Path) -> None:
        """``folder``: for .eml files while SMTP_HOST is empty."""
        self._settings = settings
        self._folder = folder
        self._server: aiosmtplib.SMTP | None = None

    async def send(self, message: EmailMessage) -> None:
        """Send the message; when this returns, the server has taken it (or the file is on disk).

        Raises:
            TemporaryFailure, PermanentFailure: the server did not take it.
        """
        try:
            if self._settings.smtp_host:
                limit = _MAX_REPLIES * _REPLY_SECONDS
                await _within(limit, self._send_over_smtp(message))
            else:
                await asyncio.to_thread(self._write_file, message)
        except BaseException as error:
            self._drop()  # its state is unknown: the next e-mail gets a new connection
            failure = _failure(error)
            if failure is not None:
                raise failure from error
            raise

    async def disconnect(self) -> None:
        """Close the connection, if one is open."""
        server, self._server = self._server, None
        if server is not None and server.is_connected:
            try:
                await _within(_REPLY_SECONDS, server.quit())
            except (SMTPException, OSError, TemporaryFailure):
                server.close()

    def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _send_over_smtp(self, message: EmailMessage) -> None:
        if self._server is not None and not self._server.is_connected:
            self._drop()
        if self._server is None:
            self._server = await self._connect()
        data = await asyncio.to_thread(message.as_bytes)
        await self._server.sendmail(_address(message["From"]), [_address(message["To"])], data)

    async def _connect(self) -> aiosmtplib.SMTP:
        s = self._settings
        context = None
        if s.smtp_tls != "none":  # in a thread: it reads all the machine's CA certificates
            context = await asyncio.to_thread(_tls_context, s.smtp_ca_file)
        server = aiosmtplib.SMTP(
            hostname=s.smtp_host,
            port=s.smtp_port,
            username=s.smtp_user or None,
            password=s.smtp_password.get_secret_value() or None,
            local_hostname=socket.gethostname(),  # the default asks the DNS and blocks
            timeout=_REPLY_SECONDS,
            use_tls=s.smtp_tls == "tls",
            start_tls=s.smtp_tls == "starttls",  # True: an error if it is not offered
            tls_context=context,
        )
        try:
            await server.connect()
        except BaseException:
            server.close()
            raise
        return server

    def _write_file(self, message: EmailMessage) -> None:
        """Write the message atomically to the folder, readable only by this user."""
        folder = self._folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{_UNSAFE_CHARACTERS.sub('', message['Message-ID'])}.eml"
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


async def _within(seconds: float, conversation: Coroutine[Any, Any, object]) -> None:
    """Await a conversation; end it for certain after ``seconds`` or when cancelled.

    asyncio.timeout is not enough: it cancels once, and on 3.11 asyncio.wait_for (in aiosmtplib)
    loses a cancellation that arrives together with a reply.

    Raises:
        TemporaryFailure: it did not end in time.
    """
    task = asyncio.create_task(conversation)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)
    if task.cancelled():
        raise TemporaryFailure(f"the e-mail took more than {seconds:g} s")
    task.result()


def _address(header: AddressHeader) -> str:
    return str(header.addresses[0].addr_spec)


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def _failure(error: BaseException) -> TemporaryFailure | PermanentFailure | None:
    """Return the failure that an SMTP or network error means; None for other errors."""
    if isinstance(error, SMTPTimeoutError):
        return TemporaryFailure(f"no reply from the mail server within {_REPLY_SECONDS:g} s")
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        return _failure(error.recipients[0])
    if isinstance(error, (SMTPRecipientRefused, SMTPSenderRefused, SMTPDataError)):
        text = f"the mail server answered {error.code}: {error.message}"[:500]
        return PermanentFailure(text) if error.code >= 500 else TemporaryFailure(text)
    # A refused login or greeting is not the e-mail's fault, whatever its code: it is retried.
    if isinstance(error, (SMTPException, OSError)):  # OSError: also TimeoutError, ssl.SSLError
        return TemporaryFailure(f"{type(error).__name__}: {error}"[:500])
    return None
