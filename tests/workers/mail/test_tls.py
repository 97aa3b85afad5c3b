"""SMTP over TLS and STARTTLS, logins, wrong certificates and wrong passwords."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from models.outbox import email as drafts
from models.outbox.item import DeliveryStatus
from models.settings import Settings
from models.store import Store
from tests.support.smtp import (
    PASSWORD,
    USER,
    Mailbox,
    mail_server,
    make_due,
    only_email,
    send_due,
    smtp_settings,
)

# aiosmtpd knows only STARTTLS, and warns about a login over implicit TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not:UserWarning")


DRAFT = drafts.confirmation_draft("s1", "ann@example.org")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_encrypted_login(
    settings: Settings, store: Store, tls: str, certificate: ssl.SSLContext, ca_file: Path
) -> None:
    mailbox = Mailbox()
    await store.emails.put(DRAFT)
    with mail_server(mailbox, tls=tls, context=certificate, login=True) as port:
        chosen = smtp_settings(settings, port, smtp_tls=tls, smtp_ca_file=ca_file)
        chosen = with_login(chosen, PASSWORD)
        await send_due(chosen, store)
    assert (mailbox.logins, len(mailbox.messages)) == (1, 1)


def with_login(settings: Settings, password: str) -> Settings:
    from pydantic import SecretStr

    return settings.replace(smtp_user=USER, smtp_password=SecretStr(password))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_untrusted_certificate_gets_nothing(
    settings: Settings, store: Store, tls: str, certificate: ssl.SSLContext
) -> None:
    mailbox = Mailbox()
    await store.emails.put(DRAFT)
    with mail_server(mailbox, tls=tls, context=certificate) as port:
        await send_due(smtp_settings(settings, port, smtp_tls=tls), store)
    email = await only_email(store)
    assert (email.status, mailbox.received) == (DeliveryStatus.CREATED, [])
    assert email.error is not None and "certificate" in email.error.lower()


async def test_starttls_is_never_skipped(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.mail.sender.EmailSender.retry_seconds", 100)  # one attempt
    mailbox = Mailbox()
    await store.emails.put(DRAFT)
    with mail_server(mailbox) as port:
        await send_due(smtp_settings(settings, port, smtp_tls="starttls"), store)
    email = await only_email(store)
    assert (email.status, email.troubles, mailbox.received) == (DeliveryStatus.CREATED, 1, [])


async def test_wrong_password_is_retried_and_not_logged(
    settings: Settings,
    store: Store,
    certificate: ssl.SSLContext,
    ca_file: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mailbox = Mailbox()
    await store.emails.put(DRAFT)
    with mail_server(mailbox, tls="tls", context=certificate, login=True) as port:
        chosen = smtp_settings(settings, port, smtp_tls="tls", smtp_ca_file=ca_file)
        await send_due(with_login(chosen, "wrong but secret"), store)
        email = await only_email(store)
        assert (email.status, email.faults) == (DeliveryStatus.CREATED, 0)
        assert email.error is not None and "535" in email.error
        text = email.error + caplog.text + capsys.readouterr().out
        assert "email_retry_scheduled" in text and "wrong but secret" not in text
        await make_due(store)
        await send_due(with_login(chosen, PASSWORD), store)
    assert len(mailbox.messages) == 1
    assert (await only_email(store)).status is DeliveryStatus.SENT
