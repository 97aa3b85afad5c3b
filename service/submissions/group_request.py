"""A group made of tasks that are there already: what a client may ask for, and its limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from models.errors import BadRequest, NotFound
from models.settings import Settings
from models.tasks.group import Member
from models.tasks.task import Task
from service.http.json_body import at_most, validated

_EXAMPLE = '{"tasks": ["<task_id>", {"task_id": "...", "name": "cat.png"}]}'


class Picked(BaseModel):
    """A task, and by which of its uploads' names it is meant; without one, by the first."""

    model_config = ConfigDict(extra="forbid")
    task_id: str = Field(max_length=64)
    name: str | None = Field(None, max_length=400)


class Gathering(BaseModel):
    """The tasks of a group to be, in its order; ``email`` is where its archive may be sent.

    ``callback_url`` is called when all of them have ended.
    """

    model_config = ConfigDict(extra="forbid")
    tasks: Annotated[list[str | Picked], FailFast()] = Field(min_length=1)
    email: str | None = None
    callback_url: str | None = None

    @property
    def picked(self) -> list[Picked]:
        """The tasks, each once by each name."""
        every = [Picked(task_id=t[:64]) if isinstance(t, str) else t for t in self.tasks]
        return list({(each.task_id, each.name): each for each in every}.values())


def read_gathering(document: Any, settings: Settings) -> Gathering:
    """Return the gathering that ``document`` is.

    Raises:
        BadRequest: it is none. BadParameter: it has more tasks than MAX_GROUP.
    """
    tasks = document.get("tasks") if isinstance(document, dict) else None
    if isinstance(tasks, list):  # before each of them is looked at
        at_most(len(tasks), settings.max_group, "tasks", "MAX_GROUP")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate: no id, no name, and nothing to ask MongoDB for
        raise BadRequest(f"a text in it is no Unicode; send {_EXAMPLE}") from None
    return validated(Gathering, document, _EXAMPLE)


def members(gathering: Gathering, tasks: Mapping[str, Task], settings: Settings) -> list[Member]:
    """Return the members of the group that ``gathering`` asks for.

    Raises:
        NotFound: a task is not there.
        BadParameter: together they have more results than MAX_BATCH_RESULTS.
    """
    missing = [each.task_id for each in gathering.picked if each.task_id not in tasks]
    if missing:
        raise NotFound(
            f"{len(missing)} of the {len(gathering.tasks)} tasks are not there; the first of them "
            f"is {missing[0][:40]!a}"
        )
    found = [(tasks[each.task_id], each.name) for each in gathering.picked]
    uploads = [(task, task.upload(name)) for task, name in found]
    results = sum(len(upload.results) for _, upload in uploads)
    at_most(results, settings.max_batch_results, "results", "MAX_BATCH_RESULTS")
    return [Member(name=upload.name, task_id=task.id) for task, upload in uploads]
