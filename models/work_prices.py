"""What work costs here: factors on the reference prices, learned from what tasks took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, median_low

Parts = Sequence[tuple[str, float]]
"""(name, seconds at the reference price) of each part of a task's work; the first word of a name is
the stage that takes them, and a part of a network has a second word, its name."""

STORE = "store"
"""The part of fetching the original and of publishing the results."""
_STAGES_OF_STORE = ("fetch", "publish")

_LATEST = 9  # tasks of each client that count for a part: what else the machine does changes

# How far a factor may be from the usual one of this machine: pictures that are slow on purpose
# change estimates by no more. The slowest engine takes six times as long as the fastest.
_MOST = 10.0
_MOST_OF_UNLISTED = 300.0  # a network without a reference price: EDSR takes 250 times as long
_MOST_USUAL = 50.0  # of a machine: a core of a small board takes ten times as long
_MOST_SPEED = 4.0  # of a worker among the others


@dataclass(frozen=True)
class Measured:
    """What a finished task took: ``stages`` in milliseconds.

    ``beside``: how many tasks its worker had in work when it began, with itself.
    """

    client: str
    worker: str
    beside: int
    parts: Parts
    stages: Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """Factors on the reference prices.

    ``factors``: by part; ``usual``: of other parts, ``usual_network``: of other networks.
    ``delays``: by worker, how many times as long as others it takes.
    """

    factors: Mapping[str, float] = field(default_factory=dict)
    usual: float = 1.0
    usual_network: float = 1.0
    delays: Mapping[str, float] = field(default_factory=dict)

    def factor(self, part: str) -> float:
        usual = self.usual_network if runs_network(part) else self.usual
        return self.factors.get(part, usual)

    def seconds(self, parts: Parts, beside: float = 1.0, worker: str = "") -> float:
        """Return the predicted seconds of a task on ``worker``, ``beside`` tasks at once."""
        delay = self.delays.get(worker, 1.0)
        return delay * sum(
            seconds * self.factor(part) * crowding(part, beside) for part, seconds in parts
        )


def crowding(part: str, beside: float) -> float:
    """Return how many times as long as alone ``part`` takes when ``beside`` tasks run at once.

    Networks share the cores: `python -m bench.threads` made 2.03 pictures a second with two
    threads, 1.30 with one, and 2.48 with two at once of one each. So what uses one core took
    0.2 s of a picture, and the network 0.28 s alone and 0.6 s beside another.
    """
    return beside if runs_network(part) and beside > 1 else 1.0


def runs_network(part: str) -> bool:
    """Whether a network does the part: it is a name of an operation with a network's."""
    return part.partition(" ")[2] != "" and not part.startswith(("decode ", "encode "))


def learn(
    tasks: Iterable[Measured], unlisted: Iterable[str] = (), tested: Iterable[float] = ()
) -> Prices:
    """Return the prices that ``tasks`` took; the latest come first.

    A factor is the median of each client's median: one client's pictures weigh as much as
    another's, however many they are, and single slow ones nothing. ``unlisted``: parts whose
    reference price is only a guess. ``tested``: the factor of a network in the self-test of each
    worker, which is that of all networks until one has been measured.
    """
    by_client: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    measured = [(task, _ratios(task)) for task in tasks]
    for task, ratios in measured:
        for part, ratio in ratios.items():
            by_client[part][task.client].append(ratio)
    raw = {
        part: median_low(median(ratios[:_LATEST]) for ratios in clients.values())
        for part, clients in by_client.items()
    }
    guessed = set(unlisted)
    others = [factor for part, factor in raw.items() if not runs_network(part)]
    networks = [raw[part] for part in raw if runs_network(part) and part not in guessed]
    usual, usual_network = (
        _within(median(found), 1.0, _MOST_USUAL) if (found := list(each)) else 1.0
        for each in (others, networks or tested)
    )
    factors = {
        part: _within(
            factor,
            usual_network if runs_network(part) else usual,
            _MOST_OF_UNLISTED if part in guessed else _MOST,
        )
        for part, factor in raw.items()
    }
    by_worker: dict[str, list[float]] = defaultdict(list)
    for task, ratios in measured:
        expected = sum(
            seconds * factors[part] * crowding(part, task.beside)
            for part, seconds in task.parts
            if part in ratios
        )
        if expected:
            by_worker[task.worker].append(_spent(task, ratios) / expected)
    delays = {
        worker: _within(median(ratios), 1.0, _MOST_SPEED)
        for worker, ratios in by_worker.items()
        if len(by_worker) > 1
    }
    return Prices(factors, usual, usual_network, delays)


def _stage_of(part: str) -> str:
    return part.partition(" ")[0]


def _ratios(task: Measured) -> dict[str, float]:
    """Return for each part how many times the reference price its stage took."""
    expected: dict[str, float] = defaultdict(float)
    for part, seconds in task.parts:
        expected[_stage_of(part)] += seconds * crowding(part, task.beside)
    spent = {stage: task.stages.get(stage, 0.0) for stage in expected}
    spent[STORE] = sum(task.stages.get(stage, 0.0) for stage in _STAGES_OF_STORE)
    return {
        part: spent[stage] / 1000 / expected[stage]
        for part, _ in task.parts
        if expected[stage := _stage_of(part)] and spent[stage]
    }


def _spent(task: Measured, ratios: Mapping[str, float]) -> float:
    """Return the seconds of the parts in ``ratios``."""
    return sum(
        seconds * ratios[part] * crowding(part, task.beside)
        for part, seconds in task.parts
        if part in ratios
    )


def _within(value: float, middle: float, most: float) -> float:
    return min(max(value, middle / most), middle * most)
