"""Server-sent events: all open streams; each task or group is read and serialized once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from async_lru import alru_cache

from models.auth.visibility import View
from models.errors import NotFound, StoreUnavailable, TooManyStreams
from models.metrics.definitions import EVENT_STREAMS
from models.metrics.instruments import Instruments
from models.settings.http import HttpSettings
from models.settings.limits import LimitSettings
from models.slots import Slots
from models.store import Store
from models.store.tasks.change_stream import TaskChange
from models.tasks.group import Group
from service.events.queue_watch import MIN_INTERVAL_SECONDS, QueueWatch, queued_ids
from service.events.sse_topic import EventStream, Kind, Topic

log = structlog.get_logger()

_TICK_SECONDS = 1.0  # between two checks for disconnected clients, and for times left that fell
_MAX_TIME_SHARE = 0.5  # of the time may go into serialization
# Tasks followed for each stream that is allowed; a change of each costs about 0.05 ms.
_TASKS_PER_STREAM = 10
_TASKS_PER_STREAM_OF_CLIENT = 30  # a client may follow a few groups of a thousand
_IDLE_SECONDS = 5.0  # the full change stream stays open without streams
_RETRY_AFTER_SECONDS = 5  # streams end with their task, at an unknown time


class EventHub:
    """All event streams of a service."""

    def __init__(
        self,
        http: HttpSettings,
        limits: LimitSettings,
        store: Store,
        queue_watch: QueueWatch,
        instruments: Instruments,
    ) -> None:
        self._legacy_status = http.legacy_status
        self._store = store
        self._instruments = instruments
        self._topics: dict[tuple[Kind, str, View], Topic] = {}
        self._topics_by_task: dict[str, set[Topic]] = defaultdict(set)
        self._streams: set[EventStream] = set()
        self._stream_slots = Slots(
            ("EVENTS_PER_CLIENT", limits.events_per_client),
            ("EVENTS_TOTAL", limits.events_total),
        )
        self._task_slots = Slots(
            ("EVENTS_PER_CLIENT", limits.events_per_client * _TASKS_PER_STREAM_OF_CLIENT),
            ("EVENTS_TOTAL", limits.events_total * _TASKS_PER_STREAM),
        )
        self._load = alru_cache(None, ttl=0)(self._load_topic)  # concurrent callers share one load
        self._changed = asyncio.Event()
        self._queue_watch = queue_watch
        self._serialize_seconds = 0.0  # since the last pause
        self._shutdown = asyncio.Event()
        for kind in ("task", "group"):
            instruments.set(EVENT_STREAMS, 0, kind)

    # Changes of tasks

    def on_change(self, change: TaskChange) -> None:
        if change.status is not None:
            self._queue_watch.changed = True  # tasks behind it move up
        for topic in self._topics_by_task.get(change.task_id, ()):
            topic.stale.add(change.task_id)
        if self._topics:
            self._changed.set()

    def on_missed_changes(self) -> None:
        self._queue_watch.changed = True
        for topic in self._topics.values():
            topic.stale.update(topic.ids)
        self._changed.set()

    async def run(self) -> None:
        """Send changes, at most once per MIN_INTERVAL_SECONDS, until cancelled."""
        while True:
            await self._wait_for_change()
            try:
                await self._update_topics()
            except StoreUnavailable as error:
                log.debug("event_streams_store_unavailable", **error.document())
                self._changed.set()
            except Exception:
                log.exception("event_streams_failed")
            # Serialization takes at most half of the time, however many large groups are open.
            await asyncio.sleep(
                max(MIN_INTERVAL_SECONDS, self._serialize_seconds / _MAX_TIME_SHARE)
            )
            self._serialize_seconds = 0.0

    def close(self) -> None:
        """End all streams: the service shuts down, and browsers reconnect."""
        self._shutdown.set()
        for stream in self._streams:
            stream.changed.set()

    async def _wait_for_change(self) -> None:
        """Return after a change, and once a second while a stream is open.

        Meanwhile close disconnected streams.
        """
        loop = asyncio.get_running_loop()
        last_used_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._changed.wait()
            for stream in self._streams:
                if stream.disconnected():
                    stream.changed.set()
            if self._topics:
                return
            if loop.time() - last_used_at > _IDLE_SECONDS:
                self._store.change_stream.set_detailed(False)
            self._changed.clear()

    async def _update_topics(self) -> None:
        """Read the changed tasks, then the queue if it changed.

        In this order, a queued task missing from the queue was claimed in between: it is next.
        """
        self._changed.clear()
        topics = [topic for topic in self._topics.values() if topic.loaded]
        stale = {topic: topic.stale for topic in topics if topic.stale}
        for topic in stale:
            topic.stale = set()
        try:
            ids = set().union(*stale.values())
            read = await self._store.tasks.get_many(list(ids)) if ids else {}
            tasks = {topic: topic.merge(stale.get(topic, set()), read) for topic in topics}
            waiting = any(queued_ids(by_id) for by_id in tasks.values())
            queue_snapshot = await self._queue_watch.snapshot(if_changed=waiting)
        except BaseException:
            for topic, before in stale.items():
                topic.stale |= before
            raise
        for topic in topics:
            if topic.update(tasks[topic], queue_snapshot):
                began = time.perf_counter()
                topic.notify()
                self._serialize_seconds += time.perf_counter() - began
                await asyncio.sleep(0)  # a large group takes milliseconds: let others run
        if waiting and self._queue_watch.changed:
            self._changed.set()  # the throttle kept it from being read

    # Open streams

    @asynccontextmanager
    async def open_stream(
        self,
        kind: Kind,
        topic_id: str,
        name: str | None,
        client: str,
        view: View,
        disconnected: Callable[[], bool],
    ) -> AsyncIterator[EventStream]:
        """Open a stream of ``client`` for the task or group ``topic_id`` in ``view``.

        Raises:
            NotFound: no such task or group. TooManyStreams: see ``hold_slots``.
            StoreUnavailable: MongoDB is unavailable.
        """
        with hold_slots(self._stream_slots, client, 1, "event streams"):
            async with self._topic(kind, topic_id, view) as topic:
                with hold_slots(self._task_slots, client, len(topic.ids), "tasks in event streams"):
                    stream = EventStream(topic, name, disconnected, self._shutdown)
                    topic.listeners.add(stream.changed)
                    self._streams.add(stream)
                    self._count_stream(kind, 1)
                    try:
                        yield stream
                    finally:
                        self._count_stream(kind, -1)
                        self._streams.discard(stream)
                        topic.listeners.discard(stream.changed)

    def _count_stream(self, kind: Kind, by: int) -> None:
        self._instruments.gauges[EVENT_STREAMS].labels(kind).inc(by)

    @asynccontextmanager
    async def _topic(self, kind: Kind, topic_id: str, view: View) -> AsyncIterator[Topic]:
        """Return the loaded topic, which all streams of the same kind, id and view share."""
        topic = self._topics.get((kind, topic_id, view))
        if topic is None:
            topic = Topic(kind, topic_id, self._legacy_status, view)
            self._topics[kind, topic_id, view] = topic
            self._store.change_stream.set_detailed(True)
        topic.stream_count += 1
        try:
            if not topic.loaded:
                await self._load(topic)
            yield topic
        finally:
            topic.stream_count -= 1
            if not topic.stream_count:
                del self._topics[kind, topic_id, view]
                for task_id in topic.ids:
                    self._topics_by_task[task_id].discard(topic)
                    if not self._topics_by_task[task_id]:
                        del self._topics_by_task[task_id]

    async def _load_topic(self, topic: Topic) -> None:
        if topic.kind == "task":
            task = await self._store.tasks.get(topic.id, topic.view)
            found = (Group.of_one(task), {task.id: task}) if task else None
        else:
            found = await self._store.groups.find(topic.id, topic.view)
        if found is None:
            raise NotFound(f"no such {topic.kind}")
        topic.group, tasks = found
        for task_id in topic.ids:
            self._topics_by_task[task_id].add(topic)
        topic.stale.update(topic.ids)  # changes before this were missed
        topic.update(tasks, await self._queue_watch.snapshot(tasks=tasks))
        self._changed.set()  # for changes meanwhile


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


EVENT_HUB = web.AppKey("event_hub", EventHub)
