"""Records of responses and of accepted tasks; all lanes share them."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Container, Mapping

_MAX_REMEMBERED = 200
_MAX_FAULTS = 20
_OVERLOAD = 503  # on purpose, when it has Retry-After


class Records:
    """Counts every response by the act that received it."""

    def __init__(self, valid_acts: Container[str] = ()) -> None:
        """``valid_acts`` must not be refused for overload: hostile ones cause it."""
        self._valid_acts = valid_acts
        self.responses: dict[str, Counter[str]] = defaultdict(Counter)
        self.faults: list[str] = []
        """Responses that no request justifies; the first ones."""
        self.fault_count = 0
        self.accepted: set[str] = set()
        """The id of every task that was answered with 200 or 202."""
        self.tasks: deque[str] = deque(maxlen=_MAX_REMEMBERED)
        self.groups: deque[str] = deque(maxlen=_MAX_REMEMBERED)
        self.results: deque[str] = deque(maxlen=_MAX_REMEMBERED)

    def record(self, act: str, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Record a response; a 5xx is a fault, except a 503 with Retry-After to a hostile act."""
        self.responses[act][str(status)] += 1
        overload = status == _OVERLOAD and "Retry-After" in headers and act not in self._valid_acts
        if status >= 500 and not overload:
            self.fault(f"{act}: {status} {body[:300]!r}")

    def record_disconnect(self, act: str, how: str) -> None:
        """Record a connection that ended without a response: ``how`` is closed, reset or left."""
        self.responses[act][how] += 1

    def fault(self, what: str) -> None:
        self.fault_count += 1
        if len(self.faults) < _MAX_FAULTS:
            self.faults.append(what)

    def accept(self, task_id: str) -> None:
        self.accepted.add(task_id)
        self.tasks.append(task_id)

    @property
    def total(self) -> int:
        return sum(each.total() for each in self.responses.values())
