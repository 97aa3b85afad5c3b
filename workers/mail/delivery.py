"""One letter in a sender's hands: made, posted, and its end recorded by whoever still holds it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass

import structlog

from models.errors import StoreUnavailable
from models.letter import Letter
from workers.mail.compose import compose
from workers.mail.content import AUTHORS
from workers.mail.desk import Desk, NotYet, Pointless
from workers.mail.post import Post, Refused, Trouble
from workers.patience import patient

log = structlog.get_logger()

_LONGEST_PAUSE = 3600.0  # seconds between two tries


@dataclass
class _Hand:
    """A claimed letter; ``posted`` once a mail server has taken it."""

    desk: Desk
    letter: Letter
    posted: bool = False


async def deliver(desk: Desk, post: Post, letter: Letter) -> None:
    """Send a claimed letter and record how it ended, unless its lease is lost on the way.

    Raises:
        StoreUnavailable: MongoDB was away for longer than patience lasts.
    """
    hand = _Hand(desk, letter)
    working = asyncio.create_task(_work(hand, post))
    beating = asyncio.create_task(_hold(hand))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not hand.posted:
            log.warning("letter_lost", letter=letter.id, attempt=letter.attempts)
            working.cancel()  # another sender has it: two must not post it
        await asyncio.wait({working})
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working})
        raise
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        if working.cancelled():
            await _give_back(hand)
    if not working.cancelled():
        working.result()


async def _hold(hand: _Hand) -> None:
    """Extend the lease as long as the letter is being worked at; return when it is lost."""
    seconds = hand.desk.settings.lease_seconds
    held = True
    while held:
        await asyncio.sleep(seconds / 3)
        with contextlib.suppress(StoreUnavailable):
            held = await hand.desk.store.mail.extend(hand.letter, seconds)


async def _give_back(hand: _Hand) -> None:
    """Hand over what was interrupted. Not patient: whoever stops must not wait for a store."""
    s, mail = hand.desk.settings, hand.desk.store.mail
    with contextlib.suppress(StoreUnavailable):
        if hand.posted:
            await mail.sent(hand.letter, s.mail_keep)
        else:
            await mail.postpone(hand.letter, 0)


async def _work(hand: _Hand, post: Post) -> None:
    """Make and post the letter; never raises for the letter's sake."""
    letter, s, mail = hand.letter, hand.desk.settings, hand.desk.store.mail
    says = log.bind(letter=letter.id, kind=letter.kind, attempt=letter.attempts)
    try:
        if letter.faults >= s.mail_attempts:
            raise Pointless(f"its worker died or stumbled {letter.faults} times (MAIL_ATTEMPTS)")
        content = await AUTHORS[letter.kind](hand.desk, letter)
        if not await patient(mail.begin)(letter):
            return  # another has it, or has sent it
        attached = await content.attachment.read() if content.attachment else b""
        # In a thread: ten megabytes take half a second to encode.
        await post.send(await asyncio.to_thread(compose, letter, content, s.smtp_from, attached))
        hand.posted = True
    except NotYet as wait:
        await patient(mail.postpone)(letter, wait.seconds)
    except (Pointless, Refused) as error:
        await patient(mail.fail)(letter, _masked(error, letter), s.mail_keep)
        says.warning("letter_failed", error=_masked(error, letter))
    except Trouble as error:
        await _again(hand, _masked(error, letter), fault=False)
    except StoreUnavailable:
        await patient(mail.postpone)(letter, 0)  # else it waited for its lease to run out
    except Exception as error:
        says.exception("letter_stumbled")
        await _again(hand, _masked(error, letter), fault=True)
    if hand.posted:
        await _record(hand)
        says.info("letter_sent", message_id=letter.message_id)


async def _record(hand: _Hand) -> None:
    """Note that it was sent, however long the store is away: else it went once more."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            await patient(hand.desk.store.mail.sent)(hand.letter, hand.desk.settings.mail_keep)
            return


async def _again(hand: _Hand, error: str, *, fault: bool) -> None:
    """Give a letter back to be tried later, or fail it after MAIL_GIVE_UP of trouble."""
    letter, s, mail = hand.letter, hand.desk.settings, hand.desk.store.mail
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
