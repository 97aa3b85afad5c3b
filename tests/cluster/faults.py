"""The faults of several machines, and their order from a seed."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.cluster.cluster import MONGOS, REDIS, SERVICES, Cluster
from tests.cluster.network import CLIENT

Injection = Callable[[Cluster, random.Random], AbstractContextManager[str]]
"""Begins a fault, says what it hit, and ends it."""


@contextmanager
def primary_killed(cluster: Cluster, _: random.Random) -> Iterator[str]:
    with _server_ended(cluster, signal.SIGKILL) as hit:
        yield hit


@contextmanager
def primary_stopped(cluster: Cluster, _: random.Random) -> Iterator[str]:
    """In order: it hands over before it ends."""
    with _server_ended(cluster, signal.SIGTERM) as hit:
        yield hit


@contextmanager
def _server_ended(cluster: Cluster, how: signal.Signals) -> Iterator[str]:
    primary = cluster.mongo.primary()
    cluster.mongo.kill(primary, how)
    yield cluster.host_of(primary)
    cluster.mongo.start(primary)


@contextmanager
def primary_cut_off(cluster: Cluster, _: random.Random) -> Iterator[str]:
    """From both other servers; services and workers reach all three."""
    primary = cluster.host_of(cluster.mongo.primary())
    with _cut(cluster, [primary], MONGOS):
        yield primary


@contextmanager
def primary_silent(cluster: Cluster, _: random.Random) -> Iterator[str]:
    """Its machine loses power: connections to it get no answer, not even a refusal."""
    primary = cluster.host_of(cluster.mongo.primary())
    with _cut(cluster, [primary], list(cluster.network.addresses)):
        yield primary


@contextmanager
def network_split(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    """The primary with a service and a worker here, the majority with the others there."""
    here = [
        cluster.host_of(cluster.mongo.primary()),
        rng.choice(SERVICES),
        rng.choice(cluster.workers),
    ]
    everybody = (*MONGOS, *SERVICES, *cluster.workers)
    with _cut(cluster, here, [host for host in everybody if host not in here]):
        yield "+".join(here)


@contextmanager
def majority_lost(cluster: Cluster, _: random.Random) -> Iterator[str]:
    secondaries = cluster.mongo.secondaries()
    for member in secondaries:
        cluster.mongo.kill(member)
    yield "+".join(map(cluster.host_of, secondaries))
    for member in secondaries:
        cluster.mongo.start(member)


@contextmanager
def secondary_paused(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    """It lags behind, and a majority is the other two."""
    member = rng.choice(cluster.mongo.secondaries())
    cluster.mongo.pause(member, paused=True)
    yield cluster.host_of(member)
    cluster.mongo.pause(member, paused=False)


@contextmanager
def worker_cut_off(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    with _cut_off_from_stores(cluster, cluster.workers, rng) as hit:
        yield hit


@contextmanager
def service_cut_off(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    with _cut_off_from_stores(cluster, SERVICES, rng) as hit:
        yield hit


@contextmanager
def _cut_off_from_stores(
    cluster: Cluster, hosts: Sequence[str], rng: random.Random
) -> Iterator[str]:
    """From MongoDB alone, from Redis alone, or from both."""
    host, stores = rng.choice(hosts), rng.choice([MONGOS, (REDIS,), (*MONGOS, REDIS)])
    with _cut(cluster, [host], stores):
        yield f"{host} from {'+'.join(stores)}"


@contextmanager
def link_bad(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    """One host's packets are late, and some are lost: see ``bad_link.py``."""
    host = rng.choice([host for host in cluster.network.addresses if host != CLIENT])
    with cluster.network.bad_link(host, rng.randrange(1000)):
        yield host


@contextmanager
def redis_gone(cluster: Cluster, _: random.Random) -> Iterator[str]:
    """Its machine loses power, and comes back without data."""
    everybody = [host for host in cluster.network.addresses if host != CLIENT]
    with _cut(cluster, [REDIS], everybody):
        cluster.end(REDIS, signal.SIGKILL)
        yield REDIS
        cluster.start(REDIS)


@contextmanager
def worker_killed(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    with _program_ended(cluster, rng.choice(cluster.workers)) as hit:
        yield hit


@contextmanager
def service_killed(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    with _program_ended(cluster, rng.choice(SERVICES)) as hit:
        yield hit


@contextmanager
def _program_ended(cluster: Cluster, host: str) -> Iterator[str]:
    cluster.end(host, signal.SIGKILL)
    yield host
    cluster.start(host)


@contextmanager
def rolling_restart(cluster: Cluster, _: random.Random) -> Iterator[str]:
    """Everything is stopped in order and started again, one program after the other."""
    for host in (*cluster.workers, *SERVICES, REDIS):
        cluster.end(host, signal.SIGTERM)
        cluster.start(host)
        cluster.wait_until_whole()
    for member in (*cluster.mongo.secondaries(), cluster.mongo.primary()):
        cluster.mongo.kill(member, signal.SIGTERM)
        cluster.mongo.start(member)
        cluster.wait_until_whole()
    yield "every program"


@contextmanager
def _cut(cluster: Cluster, hosts: Sequence[str], others: Sequence[str]) -> Iterator[None]:
    cluster.network.cut(hosts, others)
    yield
    cluster.network.heal(hosts, others)


@dataclass(frozen=True)
class Kind:
    """``seconds``: from how many to how many it lasts; ``quick``: the short form has it."""

    inject: Injection
    seconds: tuple[float, float]
    quick: bool = False

    @property
    def name(self) -> str:
        return self.inject.__name__.replace("_", " ")


KINDS = (
    Kind(primary_killed, (3, 15), quick=True),
    Kind(primary_cut_off, (4, 15), quick=True),
    Kind(worker_cut_off, (3, 40), quick=True),
    Kind(service_cut_off, (3, 20), quick=True),
    Kind(redis_gone, (3, 40), quick=True),
    Kind(primary_stopped, (0, 5)),
    Kind(primary_silent, (4, 20)),
    Kind(network_split, (4, 20)),
    Kind(majority_lost, (5, 25)),
    Kind(secondary_paused, (5, 20)),
    Kind(link_bad, (10, 30)),
    Kind(worker_killed, (0, 5)),
    Kind(service_killed, (0, 5)),
    Kind(rolling_restart, (0, 0)),
)


@dataclass(frozen=True)
class Fault:
    """A fault of ``kind`` for ``seconds``; ``seed`` chooses what it hits."""

    kind: Kind
    seconds: float
    seed: int


def quick(seed: int) -> Iterator[Fault]:
    """Yield each quick kind once, for as short as it may last, in an order of the seed's."""
    rng = random.Random(seed)
    kinds = [kind for kind in KINDS if kind.quick]
    rng.shuffle(kinds)
    for kind in kinds:
        yield Fault(kind, kind.seconds[0], rng.randrange(2**32))


def endless(seed: int) -> Iterator[Fault]:
    """Yield faults for ever; each kind comes once before any comes again."""
    rng, left = random.Random(seed), list[Kind]()
    while True:
        if not left:
            left = rng.sample(KINDS, len(KINDS))
        kind = left.pop()
        yield Fault(kind, rng.uniform(*kind.seconds), rng.randrange(2**32))
