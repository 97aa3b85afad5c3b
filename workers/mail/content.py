"""What each kind of letter says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from models.letter import Kind, Letter
from models.tokens import Purpose
from workers.mail.archive import archive
from workers.mail.desk import Content, Desk
from workers.mail.newsletter import newsletter
from workers.mail.render import render


async def confirm(desk: Desk, letter: Letter) -> Content:
    return _with_link(desk, letter, "Please confirm the newsletter")


async def goodbye(desk: Desk, letter: Letter) -> Content:
    return _with_link(desk, letter, "You are unsubscribed")


def _with_link(desk: Desk, letter: Letter, subject: str) -> Content:
    link = desk.link("/subscribe/confirm", Purpose.CONFIRM, letter.context["subscriber_id"])
    hours = max(1, desk.settings.confirm_ttl // 3600)
    text, html = render(letter.kind, url=desk.settings.url, link=link, hours=hours)
    return Content(subject, text, html)


AUTHORS: dict[Kind, Callable[[Desk, Letter], Awaitable[Content]]] = {
    Kind.CONFIRM: confirm,
    Kind.GOODBYE: goodbye,
    Kind.NEWSLETTER: newsletter,
    Kind.ARCHIVE: archive,
}
