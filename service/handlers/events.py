"""GET /tasks/<id>/events, GET /status/<id>/events: progress as server-sent events (SSE)."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import HttpVersion11, web
from aiohttp_sse import EventSourceResponse

from models.errors import BadParameter, NotFound, StoreUnavailable, TooManyStreams
from service.app_keys import SETTINGS
from service.auth.authenticator import AUTHENTICATOR
from service.auth.identity import client_id, identity
from service.events.sse_hub import EVENT_HUB
from service.events.sse_topic import EventStream, Kind
from service.handlers.tasks import NAME
from service.http.request_counts import WAITS_FOR_TASKS
from service.openapi.endpoint import ResponseSpec, endpoint
from service.openapi.error_groups import STORE_ERRORS

_RECONNECT_MILLISECONDS = 2000
_KEEPALIVE_SECONDS = 15.0  # between two comments: proxies close streams silent for 30 to 60 s
_STALL_SECONDS = 20.0  # a client may read nothing; it gets the latest state when it reconnects
_POLLS = 60  # a stream lasts as many times MAX_WAIT, an hour by default; browsers then reconnect
_KEY_CHECK_SECONDS = 2.0  # between two checks of the key of an open stream
_ANSWERS = {
    200: ResponseSpec("Events until the end.", media=("text/event-stream",)),
    204: ResponseSpec("It has ended, and Last-Event-ID is the ID of the last event."),
}
_ERRORS = (NotFound, BadParameter, TooManyStreams, *STORE_ERRORS)


@endpoint(
    "Tasks",
    "Follow a task",
    description="Server-sent events: `task`, with the task, its `position` in the queue and its "
    "`eta_seconds`, at each change; `end`, after which the stream is closed.",
    query=NAME,
    headers=("Last-Event-ID",),
    responses=_ANSWERS,
    errors=_ERRORS,
    examples=("curl -N '{url}/tasks/TASK_ID/events'",),
)
async def task(request: web.Request) -> web.StreamResponse:
    """GET /tasks/<id>/events; ``?name=`` as for the task itself."""
    return await _stream(request, "task", request.query.get("name"))


@endpoint(
    "Groups",
    "Follow a group",
    description="As for a task; the events are called `group`.",
    headers=("Last-Event-ID",),
    responses=_ANSWERS,
    errors=_ERRORS,
    examples=("curl -N '{url}/status/GROUP_ID/events'",),
)
async def group(request: web.Request) -> web.StreamResponse:
    """GET /status/<id>/events, until all tasks of the group have ended."""
    return await _stream(request, "group", None)


async def _stream(request: web.Request, kind: Kind, name: str | None) -> web.StreamResponse:
    """Respond with events; with 204, which stops browsers, if the client has the last event.

    Raises:
        NotFound: there is no such task or group. TooManyStreams: see EVENTS_PER_CLIENT.
    """
    request[WAITS_FOR_TASKS] = True

    def disconnected() -> bool:
        return request.transport is None or request.transport.is_closing()

    topic_id = request.match_info["id"]
    view = identity(request).view
    stream_context = request.app[EVENT_HUB].open_stream(
        kind, topic_id, name, client_id(request), view, disconnected
    )
    async with stream_context as listener:
        structlog.contextvars.bind_contextvars(**{f"{kind}_id": topic_id})
        last_id = request.headers.get("Last-Event-ID", "")
        first = listener.current_event()
        if first.ended and first.tag == last_id:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        settings = request.app[SETTINGS]
        response = EventSourceResponse(
            sep="\n",
            send_timeout=_STALL_SECONDS,
            ping_interval=_KEEPALIVE_SECONDS,
        )
        response.headers["Cache-Control"] = "no-store"
        if request.version < HttpVersion11:  # HTTP/1.0: the end of the connection ends the response
            response.headers["Connection"] = "close"
            response.force_close()
        if disconnected():  # aiohttp_sse would report it as our error
            raise ConnectionResetError("the client disconnected")
        await response.prepare(request)
        async with response:
            try:
                await response.write(f"retry: {_RECONNECT_MILLISECONDS}\n\n".encode())
                until = asyncio.get_running_loop().time() + _POLLS * settings.http.max_wait
                await _send_events(request, response, listener, last_id, until)
            except TimeoutError:  # a stalled client: aiohttp_sse has closed the connection
                structlog.get_logger().info("event_stream_stalled", limit=_STALL_SECONDS)
        if disconnected():
            raise ConnectionResetError("the client disconnected")
        if listener.shutdown.is_set():
            response.force_close()  # the client reconnects to another process
        return response


async def _send_events(
    request: web.Request,
    response: EventSourceResponse,
    listener: EventStream,
    last_id: str,
    until: float,
) -> None:
    loop, caller = asyncio.get_running_loop(), identity(request)
    while True:
        wake_at = until if caller.key is None else min(until, loop.time() + _KEY_CHECK_SECONDS)
        event = await listener.next_event(last_id, wake_at)
        # A revoked key ends the stream as soon as it ends other calls.
        try:
            valid = await request.app[AUTHENTICATOR].is_still_valid(caller)
        except StoreUnavailable:  # the client reconnects and gets this error
            return
        if not valid:
            return
        if event is None:
            if listener.closed or loop.time() >= until:
                return
            continue
        await response.send(event.text, id=event.tag, event=listener.topic.kind)
        last_id = event.tag
        if event.ended:
            await response.send("{}", event="end")
            return
