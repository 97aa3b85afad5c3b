"""The texts of the pages' scripts stand in the catalogues."""

from __future__ import annotations

import re
from typing import get_args, get_type_hints

import pytest

from models.error_members import BY_CODE
from models.operations import OPERATIONS
from models.outbox.item import DeliveryStatus
from models.outbox.webhook import OUTCOMES
from models.tasks.task import Status, TimelineAction
from service.dashboard.schemas import AlertCode, WorkerBody
from tests.support.page_scripts import STATIC, calls, literals, messages, scripts
from tests.support.paths import ROOT

FIELDS = [
    field
    for spec in OPERATIONS.values()
    for field in spec.model_json_schema()["properties"].items()
]
"""The parameters of all operations: name and JSON schema."""
CHOICES = {
    word
    for _, field in FIELDS
    for kind in field.get("anyOf", [field])
    for word in kind.get("enum", ())
}
MESSAGES = messages()
AREAS = {name.partition(".")[0] for name in MESSAGES}
WORDS = {
    "task": {*Status},
    "worker": {*get_args(get_type_hints(WorkerBody)["state"])},
    "webhook": {*DeliveryStatus},
    "event": {"created", *TimelineAction},
    "outcome": {*OUTCOMES},
    "operation": {*OPERATIONS},
    "parameter": {name for name, _ in FIELDS},
    "value": {"lossless", *CHOICES},
    "advice": {*get_args(AlertCode)},
}
"""Areas whose messages are words of the API."""
NO_TEXTS = {
    *("Accept", "Content-Type", "Content-Disposition", "Date", "ETag", "Location", "Retry-After"),
    *("ArrowLeft", "ArrowRight", "DOMContentLoaded", "Escape"),
    *("AbortError", "Enter", "Files", "ul ul li:not([hidden]) > a", "python -m workers"),
}
"""Names of HTTP and of browsers, a selector, a command."""
SHOWN = re.compile(
    r"""(?:(?:text|title|alt|textContent|"aria-label")(?::| =)|setText\(.*?,) ["`]\w.*"""
)
CLASSES = {"ul", *re.findall(r"\.([a-z-]+)", "".join(p.read_text() for p in STATIC.glob("*.css")))}


def test_codes_that_no_retry_helps_are_known() -> None:
    script = scripts()["retry.js"]
    codes = set(literals(script.partition("FINAL = new Set(")[2].partition("]")[0]))
    assert codes - {*BY_CODE} == {"original_missing"}  # of the page itself


def of_the_table(text: str) -> set[str]:
    """Return the strings that are or should be ids of the table."""
    found = (each for each in literals(text) if re.fullmatch(r"[a-z]+\.\w+", each))
    return {each for each in found if each.partition(".")[0] in AREAS}


@pytest.mark.parametrize("name", scripts())
def test_each_message_is_there_and_gets_its_values(name: str) -> None:
    text = scripts()[name]
    given = set()
    for call in calls(name, text, "t|pieces"):
        for each in of_the_table(call.argument):
            assert each in MESSAGES, call
            assert call.values == MESSAGES[each].placeholders, call
            given.add(each)
    for each in of_the_table(text) - given:  # in a table of the script
        assert each in MESSAGES, name
        assert not MESSAGES[each].placeholders, each


def test_each_message_is_used() -> None:
    used = {each for text in scripts().values() for each in of_the_table(text)}
    groups = {"cause", *WORDS}
    assert [n for n in MESSAGES if n not in used and n.partition(".")[0] not in groups] == []


@pytest.mark.parametrize("area", WORDS)
def test_each_word_of_the_api_has_a_message(area: str) -> None:
    assert {n.partition(".")[2] for n in MESSAGES if n.startswith(f"{area}.")} == WORDS[area]


def test_each_cause_is_one_that_the_sources_give() -> None:
    paths = (path for folder in ("models", "workers") for path in (ROOT / folder).rglob("*.py"))
    sources = "".join(path.read_text() for path in paths)
    causes = [name.partition(".")[2] for name in MESSAGES if name.startswith("cause.")]
    assert causes and [each for each in causes if f'"{each}"' not in sources] == []


def test_words_of_a_parameter_are_its_titles() -> None:
    for name, field in FIELDS:
        assert MESSAGES[f"parameter.{name}"].forms[""].capitalize() == field["title"]


@pytest.mark.parametrize("name", scripts())
def test_no_text_stands_in_a_script(name: str) -> None:
    text = scripts()[name]
    found = SHOWN.findall(text)
    for each in literals(text):
        words = re.search(r"[a-z] [a-z]", each) and not CLASSES.issuperset(each.split())
        if words or re.match(r"[A-Z]\w* ?[a-z]", each):
            found.append(each)
    assert [each for each in found if each not in NO_TEXTS] == []
