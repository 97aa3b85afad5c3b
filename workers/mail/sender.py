"""The sender: takes letters that are due out of the outbox until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets

import structlog

from models.errors import StoreUnavailable
from models.letter import Letter
from models.settings import Settings
from models.store import Store
from models.tokens import Tokens
from workers.mail.compose import compose
from workers.mail.content import AUTHORS
from workers.mail.desk import Desk, NotYet, Pointless
from workers.mail.post import Post, Refused, Trouble
from workers.patience import patient

log = structlog.get_logger()

SENDERS = 2  # a worker: one letter with a large archive does not hold up all others
_LONGEST_PAUSE = 3600.0  # seconds between two tries
_LAST_LETTER = 5.0  # seconds a stopping sender gives the letter in its hands


async def send(settings: Settings, store: Store) -> None:
    """Send what is due until cancelled; any number of workers may do so at once."""
    if settings.smtp_host:
        log.info("letters_go_to", host=settings.smtp_host, port=settings.smtp_port)
        if settings.smtp_user and settings.smtp_tls == "none":
            log.warning("smtp_password_in_the_clear", hint="set SMTP_TLS to starttls or tls")
    else:
        log.info("letters_go_to_files", folder=str(settings.data_dir / "outbox"))
    stopping = asyncio.Event()
    senders = [
        asyncio.create_task(_keep_sending(settings, store, stopping)) for _ in range(SENDERS)
    ]
    try:
        await asyncio.wait(senders)
    finally:
        # Beside the cancellation, as asyncio.wait_for (in aiosmtplib) may swallow one on 3.11.
        stopping.set()
        for each in senders:
            each.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def _keep_sending(settings: Settings, store: Store, stopping: asyncio.Event) -> None:
    post = Post(settings)
    desk: Desk | None = None
    try:
        while not stopping.is_set():
            sent = False
            try:
                if desk is None:
                    desk = Desk(settings, store, await tokens(settings, store))
                sent = await once(desk, post)
            except StoreUnavailable as error:
                log.warning("sender_waits", **error.document())
            except Exception:
                log.exception("sender_failed")
            if not sent:
                await post.rest()
                await asyncio.sleep(settings.sweep_seconds)
    finally:
        await post.rest()


async def tokens(settings: Settings, store: Store) -> Tokens:
    """Return the maker of links, with SECRET_KEY or the secret that all programs share."""
    return Tokens(settings.secret_key.get_secret_value() or await store.secret.get(), settings)


async def once(desk: Desk, post: Post) -> bool:
    """Take one letter that is due and send it; False if none is due."""
    letter = await desk.store.mail.claim(secrets.token_hex(8), desk.settings.lease_seconds)
    if letter is None:
        return False
    working = asyncio.ensure_future(_deliver(desk, post, letter))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        # What a mail server is just taking in is not asked of it twice.
        await asyncio.wait({working}, timeout=_LAST_LETTER)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise
    return True


async def _deliver(desk: Desk, post: Post, letter: Letter) -> None:
    """Send a claimed letter and record how it ended; never raises for the letter's sake."""
    s, mail = desk.settings, desk.store.mail
    says = log.bind(letter=letter.id, kind=letter.kind, attempt=letter.attempts)
    if letter.faults >= s.mail_attempts:
        error = f"its worker died or stumbled {letter.faults} times (MAIL_ATTEMPTS)"
        await mail.fail(letter, error, s.mail_keep)
        says.warning("letter_failed", error=error)
        return
    beating = asyncio.create_task(_hold(desk, letter))
    try:
        content = await AUTHORS[letter.kind](desk, letter)
        # In a thread: ten megabytes take half a second to encode.
        await post.send(await asyncio.to_thread(compose, letter, content, s.smtp_from))
        await patient(mail.sent)(letter, s.mail_keep)
        says.info("letter_sent", message_id=letter.message_id)
    except NotYet as wait:
        await mail.postpone(letter, wait.seconds)
    except (Pointless, Refused) as error:
        await patient(mail.fail)(letter, _masked(error, letter), s.mail_keep)
        says.warning("letter_failed", error=_masked(error, letter))
    except Trouble as error:
        await _again(desk, letter, _masked(error, letter), fault=False)
    except StoreUnavailable:
        await patient(mail.postpone)(letter, 0)  # else its lease ran out, as of a fault of its own
    except asyncio.CancelledError:
        with contextlib.suppress(StoreUnavailable):
            await mail.postpone(letter, 0)
        raise
    except Exception as error:
        says.exception("letter_stumbled")
        await _again(desk, letter, _masked(error, letter), fault=True)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _again(desk: Desk, letter: Letter, error: str, *, fault: bool) -> None:
    """Give a letter back to be tried later, or fail it after MAIL_GIVE_UP of trouble."""
    s, mail = desk.settings, desk.store.mail
    says = log.bind(letter=letter.id, kind=letter.kind, attempt=letter.attempts, error=error)
    if letter.trouble.total_seconds() > s.mail_give_up:
        await patient(mail.fail)(letter, f"{error} (given up, see MAIL_GIVE_UP)", s.mail_keep)
        says.warning("letter_failed", given_up_after=s.mail_give_up)
        return
    pause = min(s.mail_retry * 2.0 ** min(letter.troubles, 30), _LONGEST_PAUSE)
    pause *= random.uniform(0.8, 1.2)  # so that a server that is back is not met by all at once
    await patient(mail.retry)(letter, pause, error, fault=fault)
    says.warning("letter_waits", seconds=round(pause, 1))


def _masked(error: Exception, letter: Letter) -> str:
    """Return what went wrong without the address: it goes into logs."""
    return str(error).replace(letter.to, "<the address>")


async def _hold(desk: Desk, letter: Letter) -> None:
    """Extend the lease as long as the letter is being worked at."""
    seconds = desk.settings.lease_seconds
    while True:
        await asyncio.sleep(seconds / 3)
        with contextlib.suppress(StoreUnavailable):
            await desk.store.mail.extend(letter, seconds)
