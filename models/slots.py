"""Limits of what clients hold at the same time: connections, event streams, deliveries."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple


class Exceeded(NamedTuple):
    """A limit that does not allow more: its setting, its value, what is held."""

    setting: str
    limit: int
    measured: int
    own: bool
    """Whether it is the limit of one client, not that of all."""


class Slots:
    """Counts what each client holds in this process, up to one limit each and one in all.

    A limit is the name of its setting and its value. The client "" has no limit of its own.
    """

    def __init__(self, per_client: tuple[str, int], total: tuple[str, int] | None = None) -> None:
        self._per_client = per_client
        self._total = total
        self._held: Counter[str] = Counter()
        self.total = 0
        """What all clients hold."""

    def __getitem__(self, client: str) -> int:
        return self._held[client]

    @property
    def clients(self) -> list[str]:
        """Clients that hold something."""
        return list(self._held)

    @property
    def full_clients(self) -> list[str]:
        """Clients at their limit."""
        return [client for client in self._held if self.exceeded(client)]

    def exceeded(self, client: str, amount: int = 1) -> Exceeded | None:
        """Return the limit that does not allow ``amount`` more; None if they are allowed."""
        own, total = self._held[client], self.total
        if self._total is not None and total + amount > self._total[1]:
            return Exceeded(*self._total, total, own=False)
        if client and own + amount > self._per_client[1]:
            return Exceeded(*self._per_client, own, own=True)
        return None

    def take(self, client: str, amount: int = 1) -> None:
        self._held[client] += amount
        self.total += amount

    def free(self, client: str, amount: int = 1) -> None:
        self._held[client] -= amount
        self.total -= amount
        if self._held[client] <= 0:
            del self._held[client]

    @contextlib.contextmanager
    def hold(self, client: str, amount: int = 1) -> Iterator[None]:
        """Hold ``amount`` within the block."""
        self.take(client, amount)
        try:
            yield
        finally:
            self.free(client, amount)
