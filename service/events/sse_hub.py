"""Who listens to which task or group: however many do, each is read and written down once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from models.auth.visibility import View
from models.errors import NotFound, StoreUnavailable
from models.metrics.definitions import EVENT_STREAMS
from models.metrics.instruments import Instruments
from models.settings import Settings
from models.store import Store
from models.store.tasks.change_stream import Change
from models.tasks.task import Task
from service.events.queue_watch import Lookout, waits
from service.events.sse_topic import Event, Kind, Subject
from service.events.stream_limits import Places

log = structlog.get_logger()

_GLANCE = 1.0  # seconds between two looks for pages that vanished
_SHARE = 0.5  # of the time may go into writing down what changed
_LINGER = 5.0  # seconds all changes are read on when nobody listens any more: somebody may come


@dataclass(eq=False)
class Listener:
    """One open stream; ``vanished`` tells whether the other side has gone away."""

    hub: Listeners
    subject: Subject
    name: str | None
    vanished: Callable[[], bool]
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more is told, whatever happens."""
        return self.hub.closing or self.subject.gone or self.vanished()

    def now(self) -> Event:
        """Return the state as it is known."""
        return self.subject.event(self.name)

    async def next(self, last: str, until: float) -> Event | None:
        """Return the newest state that is not ``last``; None when the stream is to be closed.

        What comes between two calls is not kept: a slow reader gets what counts then.
        """
        loop = asyncio.get_running_loop()
        while loop.time() < until and not self.over:
            event = self.now()
            if event.tag != last:
                return event
            self.stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self.stirred.wait()
        return None


class Listeners:
    """All event streams of a service."""

    def __init__(self, settings: Settings, store: Store, instruments: Instruments) -> None:
        self._settings = settings
        self._store = store
        self._instruments = instruments
        self._subjects: dict[tuple[Kind, str, View], Subject] = {}
        self._by_task: dict[str, set[Subject]] = defaultdict(set)
        self._listeners: set[Listener] = set()
        self._places = Places(settings)
        self._stirred = asyncio.Event()
        self._lookout = Lookout(settings, store)
        self._spent = 0.0  # seconds of writing since the last pause
        self.closing = False
        for kind in ("task", "group"):
            instruments.set(EVENT_STREAMS, 0, kind)

    # What happens in the ledger

    def heard(self, change: Change) -> None:
        if change.status is not None:
            self._lookout.moved = True  # everybody behind it moves up
        for subject in self._by_task.get(change.task_id, ()):
            subject.stale.add(change.task_id)
        if self._subjects:
            self._stirred.set()

    def missed(self) -> None:
        self._lookout.moved = True
        for subject in self._subjects.values():
            subject.stale.update(subject.ids)
        self._stirred.set()

    async def run(self) -> None:
        """Tell who listens what is new, at most once in EVENTS_PAUSE, until cancelled."""
        while True:
            await self._rest()
            try:
                await self._look()
            except StoreUnavailable as error:
                log.debug("listeners_wait", **error.document())
                self._stirred.set()
            except Exception:
                log.exception("listeners_failed")
            # Writing takes at most half of the time, however many large groups are listened to.
            await asyncio.sleep(max(self._settings.events_pause, self._spent / _SHARE))
            self._spent = 0.0

    def close(self) -> None:
        """End all streams: the service is being stopped, and browsers find the next one."""
        self.closing = True
        for listener in self._listeners:
            listener.stirred.set()

    async def _rest(self) -> None:
        """Return when something stirred; meanwhile see who vanished."""
        loop = asyncio.get_running_loop()
        lonely = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE):
                    await self._stirred.wait()
            for listener in self._listeners:
                if listener.vanished():
                    listener.stirred.set()
            if self._subjects:
                lonely = loop.time()
                if self._stirred.is_set():
                    return
            elif loop.time() - lonely > _LINGER:
                self._store.feed.widen(False)
            self._stirred.clear()

    async def _look(self) -> None:
        """Read again what changed, and the queue if it moved; the tasks first.

        So one that waits and is not in the queue was claimed between the two: it is the next.
        """
        self._stirred.clear()
        ready = [each for each in self._subjects.values() if each.ready]
        stale = {each: each.stale for each in ready if each.stale}
        for each in stale:
            each.stale = set()
        try:
            ids = set().union(*stale.values())
            read = await self._store.tasks.many(list(ids)) if ids else {}
            tasks = {each: each.with_read(stale.get(each, set()), read) for each in ready}
            waiting = any(waits(each) for each in tasks.values())
            outlook = await self._lookout.see(moved=waiting)
        except BaseException:
            for each, before in stale.items():
                each.stale |= before
            raise
        for each in ready:
            if each.update(tasks[each], outlook):
                began = time.perf_counter()
                each.wake()
                self._spent += time.perf_counter() - began
                await asyncio.sleep(0)  # a large group takes milliseconds: others come between
        if waiting and self._lookout.moved:
            self._stirred.set()  # it was looked at too lately

    # Who listens

    @asynccontextmanager
    async def listening(
        self,
        kind: Kind,
        what: str,
        name: str | None,
        client: str,
        view: View,
        vanished: Callable[[], bool],
    ) -> AsyncIterator[Listener]:
        """Enter a listener of ``client`` to the task or group ``what`` in ``view``.

        Raises:
            NotFound: there is none. TooManyStreams: see ``Places``.
            StoreUnavailable: the ledger does not answer.
        """
        with self._places.one(client):
            async with self._subject(kind, what, view) as subject:
                with self._places.of(client, len(subject.ids)):
                    listener = Listener(self, subject, name, vanished)
                    subject.awaited.add(listener.stirred)
                    self._listeners.add(listener)
                    self._count(kind, 1)
                    try:
                        yield listener
                    finally:
                        self._count(kind, -1)
                        self._listeners.discard(listener)
                        subject.awaited.discard(listener.stirred)

    def _count(self, kind: Kind, by: int) -> None:
        self._instruments.gauges[EVENT_STREAMS].labels(kind).inc(by)

    @asynccontextmanager
    async def _subject(self, kind: Kind, what: str, view: View) -> AsyncIterator[Subject]:
        """Give the subject that all who see the same share, once it is read."""
        subject = self._subjects.get((kind, what, view))
        if subject is None:
            subject = Subject(kind, what, self._settings.legacy_status, view)
            self._subjects[kind, what, view] = subject
            self._store.feed.widen(True)
            subject.loading = asyncio.create_task(self._load(subject))
        assert subject.loading is not None
        subject.users += 1
        try:
            await asyncio.shield(subject.loading)
            yield subject
        finally:
            subject.users -= 1
            if not subject.users:
                subject.loading.cancel()
                del self._subjects[kind, what, view]
                for task_id in subject.ids:
                    self._by_task[task_id].discard(subject)
                    if not self._by_task[task_id]:
                        del self._by_task[task_id]

    async def _load(self, subject: Subject) -> None:
        tasks: Mapping[str, Task]
        if subject.kind == "task":
            self._by_task[subject.id].add(subject)
            task = await self._store.tasks.get(subject.id, subject.view)
            if task is None:
                raise NotFound("there is no task of this id")
            tasks = {task.id: task}
        else:
            found = await self._store.groups.find(subject.id, subject.view)
            if found is None:
                raise NotFound("there is no group of this id")
            subject.group, tasks = found
            for task_id in subject.ids:
                self._by_task[task_id].add(subject)
            # What changed before it was known which tasks are its own was not heard.
            subject.stale.update(subject.ids)
        subject.update(tasks, await self._lookout.see(of=tasks))
        self._stirred.set()  # for what was heard meanwhile
