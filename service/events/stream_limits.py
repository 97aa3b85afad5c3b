"""Limits of what event streams hold: EVENTS_PER_CLIENT, EVENTS_TOTAL, and the same for tasks."""

from __future__ import annotations

import contextlib

from models.errors import TooManyStreams
from models.slots import Slots

_RETRY_AFTER_SECONDS = 5  # streams end with their task, at an unknown time


def hold_slots(
    slots: Slots, client: str, amount: int, items: str
) -> contextlib.AbstractContextManager[None]:
    """Hold ``amount`` of ``slots`` within the block; ``items``: what they are, for the error.

    Raises:
        TooManyStreams: the limit of ``client`` or of all is reached.
    """
    if reached := slots.exceeded(client, amount):
        owner = " of yours" if reached.own else ""
        raise TooManyStreams(
            f"{reached.measured} {items}{owner} are open; at most {reached.limit} are allowed "
            f"({reached.setting}): close one, or poll with ?wait=30",
            setting=reached.setting,
            limit=reached.limit,
            measured=reached.measured,
            retry_after=_RETRY_AFTER_SECONDS,
        )
    return slots.hold(client, amount)
