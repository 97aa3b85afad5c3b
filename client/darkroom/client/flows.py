"""Every call of the client as a flow: what is sent, and what the answer means."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar
from urllib.parse import quote

from darkroom.client.documents import Group, Task, read_group, read_task
from darkroom.client.downloads import download
from darkroom.client.errors import BadAnswer, Problem, StillRunning, TaskFailed
from darkroom.client.events import follow as follow_events
from darkroom.client.operations import Operation
from darkroom.client.pictures import Picture, Source, picture
from darkroom.client.retries import send
from darkroom.client.steps import Answer, Call, Flow, Pause

OperationLike = Operation | str | Mapping[str, Any]
"""An operation with typed parameters, its short form (``resize=0.5``), or its JSON."""
Ends = TypeVar("Ends", Task, Group)

_POLL_SECONDS = 30.0  # of a long poll: proxies close connections that are silent for 60 s
_SHORT_POLL_SECONDS = 1.0  # a poll that ends sooner is followed by a pause of that length
_SUBMISSIONS = 3  # of the same picture, in ``process``, if its task or result has gone meanwhile
_GONE = {"not_found", "result_gone", "original_gone"}


class Options(TypedDict, total=False):
    """What a submission may say beside its operations: docs/api.md."""

    preset: str
    """Name of operations and options that the service knows: docs/presets.md."""
    format: Literal["png", "jpeg", "jpg", "webp", "avif"]
    quality: int | Literal["lossless"]
    """Of the file, not of a network: that is a parameter of Upscale."""
    progressive: bool
    max_bytes: int
    frames: Literal["first", "all"]
    metadata: Literal["none", "safe", "all"]
    report: bool
    callback_url: str
    email: str
    watermark_image: Source
    """The picture of a ``Watermark(picture="watermark_image")``."""


def submit(
    picture: Picture, operations: Sequence[OperationLike], options: Options, seconds: float
) -> Flow[Task]:
    """Send one picture."""
    answer = yield from _submit([picture], operations, options, seconds)
    return read_task(_json(answer))


def submit_group(
    pictures: Sequence[Picture],
    operations: Sequence[OperationLike],
    options: Options,
    seconds: float,
) -> Flow[Group]:
    """Send several pictures as one group."""
    answer = yield from _submit(pictures, operations, options, seconds)
    document = _json(answer)
    if isinstance(document, dict) and "tasks" not in document:  # one picture: a task with a group
        document = yield from get_json(f"/status/{_id(read_task(document).group_id)}", seconds)
    return read_group(document)


def _submit(
    pictures: Sequence[Picture],
    operations: Sequence[OperationLike],
    options: Options,
    seconds: float,
) -> Flow[Answer]:
    items = [each.document() if isinstance(each, Operation) else each for each in operations]
    fields = {"operations": json.dumps(items)} if items else {}
    options = Options(**options)
    mark = options.pop("watermark_image", None)
    for name, value in options.items():
        fields[name] = str(int(value)) if isinstance(value, bool) else str(value)
    call = Call("POST", "/process", fields=fields, pictures=pictures)
    if mark is not None:
        call = replace(call, watermark=picture(mark))
    return (yield from send(lambda: call, seconds))


def get_json(path: str, seconds: float, query: Mapping[str, str] | None = None) -> Flow[Any]:
    """Return the JSON of a GET."""
    call = Call("GET", path, query or {}, patience=_POLL_SECONDS + 30)
    return _json((yield from send(lambda: call, seconds)))


def get_task(identifier: str, name: str | None, seconds: float) -> Flow[Task]:
    query = {} if name is None else {"name": name}
    return read_task((yield from get_json(f"/tasks/{_id(identifier)}", seconds, query)))


def get_group(identifier: str, seconds: float) -> Flow[Group]:
    return read_group((yield from get_json(f"/status/{_id(identifier)}", seconds)))


def gather(tasks: Sequence[Task], seconds: float) -> Flow[Group]:
    """Make a group of tasks that were sent one by one."""
    call = Call("POST", "/groups", json={"tasks": [each.id for each in tasks]}, repeatable=False)
    return read_group(_json((yield from send(lambda: call, seconds))))


def wait(what: Ends, timeout: float | None, seconds: float) -> Flow[Ends]:
    """Return ``what`` once it has ended, by long polls.

    Raises:
        StillRunning: it has not within ``timeout`` seconds. TaskFailed: a task has no result.
    """
    path, query, read = _place(what)
    until = None if timeout is None else time.monotonic() + timeout
    while not what.ended:
        left = _POLL_SECONDS if until is None else min(_POLL_SECONDS, until - time.monotonic())
        if left <= 0:
            raise StillRunning(f"{path} is {what.status}, {what.progress} %, after {timeout:g} s")
        began = time.monotonic()
        what = read((yield from get_json(path, seconds, {**query, "wait": f"{left:.3f}"})))
        if not what.ended and (rest := _SHORT_POLL_SECONDS - (time.monotonic() - began)) > 0:
            yield Pause(min(rest, left))  # its MAX_WAIT is shorter
    if isinstance(what, Task) and what.status != "SUCCESS":
        raise TaskFailed(what)
    return what


def follow(what: Task | Group, seconds: float) -> Flow[None]:
    """Emit the states of a task or group until it has ended."""
    path, query, read = _place(what)
    return follow_events(f"{path}/events", query, read, seconds)


def _place(what: Task | Group) -> tuple[str, dict[str, str], Callable[[object], Any]]:
    """Return the path, the query and the reader of a task or a group."""
    if isinstance(what, Group):
        return f"/status/{_id(what.id)}", {}, read_group
    if what.id is None:
        raise TaskFailed(what)  # it was refused, so that there is nothing to wait for
    return f"/tasks/{_id(what.id)}", {"name": what.name}, read_task


def process(
    picture: Picture,
    operations: Sequence[OperationLike],
    target: str | os.PathLike[str],
    options: Options,
    seconds: float,
) -> Flow[list[Path]]:
    """Send a picture, wait, write its results; return their paths.

    What was deleted or has expired meanwhile is computed again by the same submission.
    """
    for number in range(1, _SUBMISSIONS + 1):
        try:
            task = yield from submit(picture, operations, options, seconds)
            task = yield from wait(task, None, seconds)
            if len(task.results) > 1:
                target = Path(target)  # a folder, also one that is not there yet
                target.mkdir(parents=True, exist_ok=True)
            paths = []
            for result in task.results:
                paths.append((yield from download(result, target, seconds)))
            return paths
        except Problem as error:
            if number == _SUBMISSIONS or error.code not in _GONE:
                raise
    raise AssertionError("the loop returns or raises")


def cancel(task: Task, seconds: float) -> Flow[Task]:
    return _change("DELETE", task, "", seconds)


def retry(task: Task, seconds: float) -> Flow[Task]:
    return _change("POST", task, "/retry", seconds)


def _change(method: str, task: Task, action: str, seconds: float) -> Flow[Task]:
    path, query, read = _place(task)
    call = Call(method, path + action, query, repeatable=False)
    changed: Task = read(_json((yield from send(lambda: call, seconds))))
    return changed


def delete_result(name: str, seconds: float) -> Flow[None]:
    """Delete the bytes of a result, by its own name."""
    call = Call("DELETE", f"/processed/{quote(name, safe='')}", repeatable=False)
    yield from send(lambda: call, seconds)


def _id(identifier: str) -> str:
    return quote(identifier, safe="")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        start = answer.body[:100].decode("utf-8", "replace")
        raise BadAnswer(f"the answer is not JSON but begins with {start!a}") from None
