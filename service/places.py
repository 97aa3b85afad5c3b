"""How many event streams may be open: each holds a connection for as long as its page is."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from models.errors import TooManyStreams

_RETRY_AFTER = 5  # seconds; streams end when their task does, nobody knows when


class Places:
    """The places for open streams, in all and of each client."""

    def __init__(self, per_client: int, total: int) -> None:
        self._per_client = per_client
        self._total = total
        self.taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Hold a place for ``client``.

        Raises:
            TooManyStreams: EVENTS_PER_CLIENT or EVENTS_TOTAL are taken.
        """
        for setting, limit, measured, whose in (
            ("EVENTS_PER_CLIENT", self._per_client, self.taken[client], " of yours"),
            ("EVENTS_TOTAL", self._total, self.taken.total(), ""),
        ):
            if measured >= limit:
                raise TooManyStreams(
                    f"{measured} event streams{whose} are open; at most {limit} may ({setting}): "
                    "close one, or ask with ?wait=30 instead",
                    setting=setting,
                    limit=limit,
                    measured=measured,
                    retry_after=_RETRY_AFTER,
                )
        self.taken[client] += 1
        try:
            yield
        finally:
            self.taken[client] -= 1
            if not self.taken[client]:
                del self.taken[client]
