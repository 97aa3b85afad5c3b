"""What was answered, and what was promised; shared by all lanes."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping

_REMEMBERED = 200
_FAULTS_KEPT = 20
_OVERLOAD = 503  # with Retry-After: said on purpose


class Books:
    """Notes every answer by the act that got it."""

    def __init__(self) -> None:
        self.answers: dict[str, Counter[str]] = defaultdict(Counter)
        self.faults: list[str] = []
        """Answers that no request excuses, the first of them."""
        self.fault_count = 0
        self.promised: set[str] = set()
        """Every task that was answered 200 or 202."""
        self.tasks: deque[str] = deque(maxlen=_REMEMBERED)
        self.groups: deque[str] = deque(maxlen=_REMEMBERED)
        self.results: deque[str] = deque(maxlen=_REMEMBERED)

    def note(self, act: str, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Note an answer; a 5xx is a fault but for a 503 that says when to come again."""
        self.answers[act][str(status)] += 1
        if status >= 500 and not (status == _OVERLOAD and "Retry-After" in headers):
            self.fault(f"{act}: {status} {body[:300]!r}")

    def ended(self, act: str, how: str) -> None:
        """Note a connection that ended without an answer: ``how`` is closed, reset or left."""
        self.answers[act][how] += 1

    def fault(self, what: str) -> None:
        self.fault_count += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(what)

    def promise(self, task_id: str) -> None:
        self.promised.add(task_id)
        self.tasks.append(task_id)

    @property
    def total(self) -> int:
        return sum(each.total() for each in self.answers.values())
