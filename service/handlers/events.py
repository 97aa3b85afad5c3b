"""GET /tasks/<id>/events, GET /status/<id>/events: how far it is, as server-sent events."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import HttpVersion11, web
from aiohttp_sse import EventSourceResponse

from models.errors import BadParameter, NotFound, StoreUnavailable, TooManyStreams
from service.app_keys import LISTENERS, SETTINGS
from service.auth.authenticator import DOORKEEPER
from service.auth.identity import caller
from service.events.sse_hub import Listener
from service.events.sse_topic import Kind
from service.handlers.tasks import Named
from service.http.client_ip import party
from service.http.query import only
from service.openapi.endpoint import Answer, call
from service.openapi.error_groups import STORED
from service.openapi.headers import LastEventId

_RETRY = 2000  # milliseconds before a browser connects again
_LOOK = 2.0  # seconds between two looks whether the key of who listens is still good
_ANSWERS = {
    200: Answer("Events, until it has ended.", media=("text/event-stream",)),
    204: Answer("It has ended, and whose id was sent as Last-Event-ID was the last event."),
}
_ERRORS = (NotFound, BadParameter, TooManyStreams, *STORED)


@call(
    "Tasks",
    "How far a task is, as it happens",
    description="Server-sent events: `task`, whose data is the task with its `position` in the "
    "queue and `eta_seconds`, whenever any of it changed; `end`, after which the answer is closed.",
    query=Named,
    headers=LastEventId,
    answers=_ANSWERS,
    errors=_ERRORS,
    examples=("curl -N '{url}/tasks/TASK_ID/events'",),
)
async def task(request: web.Request) -> web.StreamResponse:
    """Tell how far a task is until it ends; ``?name=`` as for the task itself."""
    only(request, "name")
    return await _stream(request, "task", request.query.get("name"))


@call(
    "Groups",
    "How far a group is, as it happens",
    description="As those of a task; the events are called `group`.",
    headers=LastEventId,
    answers=_ANSWERS,
    errors=_ERRORS,
    examples=("curl -N '{url}/status/GROUP_ID/events'",),
)
async def group(request: web.Request) -> web.StreamResponse:
    """Tell how far a group is until all of it has ended."""
    only(request)
    return await _stream(request, "group", None)


async def _stream(request: web.Request, kind: Kind, name: str | None) -> web.StreamResponse:
    """Answer with events; 204, by which browsers stop, where the end was told already.

    Raises:
        NotFound: there is no such task or group. TooManyStreams: see EVENTS_PER_CLIENT.
    """

    def vanished() -> bool:
        return request.transport is None or request.transport.is_closing()

    what = request.match_info["id"]
    view = caller(request).view
    listening = request.app[LISTENERS].listening(kind, what, name, party(request), view, vanished)
    async with listening as listener:
        structlog.contextvars.bind_contextvars(**{f"{kind}_id": what})
        told = request.headers.get("Last-Event-ID", "")
        first = listener.now()
        if first.ended and first.tag == told:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        settings = request.app[SETTINGS]
        response = EventSourceResponse(
            sep="\n",
            send_timeout=settings.events_stall,
            ping_interval=settings.events_keepalive,
        )
        response.headers["Cache-Control"] = "no-store"
        if request.version < HttpVersion11:  # there the end of the connection is that of the answer
            response.headers["Connection"] = "close"
            response.force_close()
        if vanished():  # the library takes it for a mistake of ours
            raise ConnectionResetError("the listener went away")
        await response.prepare(request)
        async with response:
            try:
                await response.write(f"retry: {_RETRY}\n\n".encode())
                until = asyncio.get_running_loop().time() + settings.events_seconds
                await _tell(request, response, listener, told, until)
            except TimeoutError:  # it took nothing in: the library has cut the connection
                structlog.get_logger().info("listener_stalled", limit=settings.events_stall)
        if vanished():
            raise ConnectionResetError("the listener went away")
        if listener.hub.closing:
            response.force_close()  # the next connection goes to whoever listens then
        return response


async def _tell(
    request: web.Request,
    response: EventSourceResponse,
    listener: Listener,
    told: str,
    until: float,
) -> None:
    loop, who = asyncio.get_running_loop(), caller(request)
    while True:
        look = until if who.key is None else min(until, loop.time() + _LOOK)
        event = await listener.next(told, look)
        # No longer than other calls of a key are answered: it may have been revoked.
        try:
            good = await request.app[DOORKEEPER].still(who)
        except StoreUnavailable:  # the browser comes again, and is told so
            return
        if not good:
            return
        if event is None:
            if listener.over or loop.time() >= until:
                return
            continue
        await response.send(event.text, id=event.tag, event=listener.subject.kind)
        told = event.tag
        if event.ended:
            await response.send("{}", event="end")
            return
