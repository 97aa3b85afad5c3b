"""Letters to mail servers that encrypt or ask who is there, and to such as only pretend to."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from models.outbox import email as drafts
from models.outbox.item import Mailing
from models.settings import Settings
from models.store import Store
from tests.support.smtp import (
    PASSWORD,
    USER,
    Mailbox,
    mail_server,
    posting,
    send_due,
    the_letter,
    until_due,
)

# aiosmtpd knows no TLS but STARTTLS, and warns of a login through a tunnel that is one.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not:UserWarning")


DRAFT = drafts.confirm("s1", "ann@example.org")


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
async def test_encrypted_with_a_login(
    settings: Settings, store: Store, tls: str, certificate: ssl.SSLContext, ca_file: Path
) -> None:
    mailbox = Mailbox()
    await store.mail.put(DRAFT)
    with mail_server(mailbox, tls=tls, context=certificate, login=True) as port:
        chosen = posting(settings, port, smtp_tls=tls, smtp_ca_file=ca_file)
        chosen = with_login(chosen, PASSWORD)
        await send_due(chosen, store)
    assert (mailbox.logins, len(mailbox.messages)) == (1, 1)


def with_login(settings: Settings, password: str) -> Settings:
    from pydantic import SecretStr

    return settings.model_copy(update={"smtp_user": USER, "smtp_password": SecretStr(password)})


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_stranger_with_a_certificate_gets_nothing(
    settings: Settings, store: Store, tls: str, certificate: ssl.SSLContext
) -> None:
    mailbox = Mailbox()
    await store.mail.put(DRAFT)
    with mail_server(mailbox, tls=tls, context=certificate) as port:
        await send_due(posting(settings, port, smtp_tls=tls, mail_retry=60), store)
    letter = await the_letter(store)
    assert (letter.status, mailbox.seen) == (Mailing.CREATED, [])
    assert letter.error is not None and "certificate" in letter.error.lower()


async def test_starttls_is_never_left_out(settings: Settings, store: Store) -> None:
    mailbox = Mailbox()
    await store.mail.put(DRAFT)
    with mail_server(mailbox) as port:
        await send_due(posting(settings, port, smtp_tls="starttls", mail_retry=60), store)
    letter = await the_letter(store)
    assert (letter.status, letter.troubles, mailbox.seen) == (Mailing.CREATED, 1, [])


async def test_a_wrong_password_is_mended_not_the_letters_fault(
    settings: Settings,
    store: Store,
    certificate: ssl.SSLContext,
    ca_file: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mailbox = Mailbox()
    await store.mail.put(DRAFT)
    with mail_server(mailbox, tls="tls", context=certificate, login=True) as port:
        chosen = posting(settings, port, smtp_tls="tls", smtp_ca_file=ca_file, mail_retry=60)
        await send_due(with_login(chosen, "wrong but secret"), store)
        letter = await the_letter(store)
        assert (letter.status, letter.faults) == (Mailing.CREATED, 0)
        assert letter.error is not None and "535" in letter.error
        said = letter.error + caplog.text + capsys.readouterr().out
        assert "letter_waits" in said and "wrong but secret" not in said
        await until_due(store)
        await send_due(with_login(chosen, PASSWORD), store)
    assert len(mailbox.messages) == 1
    assert (await the_letter(store)).status is Mailing.SENT
