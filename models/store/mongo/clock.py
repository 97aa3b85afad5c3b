"""MongoDB's time between two questions: machines whose clocks differ agree on it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

# Ticks that no change of the clock moves. On Linux they go on while the machine sleeps.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_ASK_AGAIN_SECONDS = 60.0  # in which a bad quartz gains or loses 6 ms


class ServerClock:
    """MongoDB's time as of the last question, and this machine's ticks since then."""

    def __init__(self) -> None:
        self._asked: tuple[float, float] | None = None
        """Ticks, and MongoDB's time in seconds since 1970."""

    def set(self, moment: datetime) -> None:
        """Note that it is ``moment`` now, as MongoDB says."""
        self._asked = time.clock_gettime(_TICKS), moment.timestamp()

    @property
    def known(self) -> bool:
        """Whether MongoDB was ever asked."""
        return self._asked is not None

    @property
    def fresh(self) -> bool:
        """Whether MongoDB was asked within the last minute."""
        return (
            self._asked is not None
            and time.clock_gettime(_TICKS) - self._asked[0] < _ASK_AGAIN_SECONDS
        )

    def timestamp(self) -> float:
        """Return the seconds since 1970; by this machine's clock if MongoDB was never asked."""
        if self._asked is None:
            return time.time()
        ticks, moment = self._asked
        return moment + time.clock_gettime(_TICKS) - ticks

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp(), UTC)
