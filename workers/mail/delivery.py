"""How a letter leaves: made by its author, folded into a message, handed to the post."""

from __future__ import annotations

import asyncio

from models.outbox.email import Letter
from models.settings import Settings
from workers.mail.contents import AUTHORS
from workers.mail.context import Desk
from workers.mail.mime import compose
from workers.mail.smtp import Post
from workers.outbox import Hand, Rules, begin
from workers.outbox import deliver as deliver_parcel


async def deliver(desk: Desk, post: Post, letter: Letter) -> None:
    """Send a claimed letter and record how it ended, unless its lease is lost on the way.

    Raises:
        StoreUnavailable: MongoDB was away for longer than patience lasts.
    """

    async def send() -> None:
        content = await AUTHORS[letter.kind](desk, letter)
        await begin(hand)
        attached = await content.attachment.read() if content.attachment else b""
        sender = desk.settings.smtp_from
        # In a thread: ten megabytes take half a second to encode.
        await post.send(await asyncio.to_thread(compose, letter, content, sender, attached))

    about = {"kind": letter.kind, "message_id": letter.message_id}
    hand = Hand(
        desk.store.mail,
        letter,
        rules(desk.settings),
        "letter",
        about,
        # An error goes into logs: without the address.
        masked=lambda said: said.replace(letter.to, "<the address>"),
    )
    await deliver_parcel(hand, send)


def rules(settings: Settings) -> Rules:
    """Return how long letters are tried."""
    return Rules(
        "MAIL",
        lease=settings.lease_seconds,
        keep=settings.mail_keep,
        retry=settings.mail_retry,
        give_up=settings.mail_give_up,
        attempts=settings.mail_attempts,
    )
