"""The table of messages and the table of a picture's states, as a browser reads them."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Error, Page

from models.tasks.task import Status
from service.pages.catalogue import CATALOGUES
from tests.browser.conftest import Tab
from tests.conftest import Client
from tests.support.page_scripts import messages

_STATES = """async () => {
  const { STATES } = await import("/static/picture-states.js");
  const plain = (key, value) => (typeof value === "function" ? "function" : value);
  return JSON.parse(JSON.stringify(STATES, plain));
}"""
_LEADS = """async (tasks) => {
  const { stateOf } = await import("/static/picture-states.js");
  return tasks.map(([status, url]) => stateOf({ status, url }));
}"""
_MESSAGES = """async (language) => {
  const { LANGUAGE, MESSAGES } = await import(`/static/messages-${language}.js`);
  return [MESSAGES, new Intl.PluralRules(LANGUAGE).resolvedOptions().pluralCategories];
}"""
_T = """async ([id, values]) => (await import("/static/text.js")).t(id, values)"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(client: Client, tab: Tab) -> Page:
    await tab.page.goto(str(client.make_url("/login")))
    return tab.page


async def test_each_state_is_complete(page: Page) -> None:
    states: dict[str, dict[str, Any]] = await page.evaluate(_STATES)
    texts = messages()
    members = set(states["chosen"])
    for name, state in states.items():
        assert set(state) == members, name
        assert state["label"] in texts and state["held"] in texts, name
        assert state["chip"] in {"", "wait", "good", "bad"}
        final, shows = state["by"] == "", set(state["shows"])
        assert final == (state["outcome"] in {"done", "failed", "cancelled"}), name
        assert final == ("remove" in shows), name
        assert bool(state["statuses"]) == (final or state["by"] == "task"), name
        assert state["share"] == state["progress"], name  # both functions, or both null
        waits = name != "chosen" and not final
        assert waits == ({"bar", "cancel"} <= shows), name


async def test_each_status_of_a_task_leads_to_a_state(page: Page) -> None:
    tasks = [[status, url] for status in [*Status, "PENDING"] for url in ("/processed/x", None)]
    states = await page.evaluate(_LEADS, tasks)
    assert dict(zip([(s, bool(u)) for s, u in tasks], states, strict=True)) == {
        **{("CREATED", url): "queued" for url in (True, False)},
        **{("STARTED", url): "working" for url in (True, False)},
        **{("PENDING", url): "working" for url in (True, False)},
        **{("FAILURE", url): "failed" for url in (True, False)},
        **{("CANCELLED", url): "cancelled" for url in (True, False)},
        ("SUCCESS", True): "done",
        ("SUCCESS", False): "gone",
    }
    assert await page.evaluate(_LEADS, [["of a newer API", None]]) == ["working"]


@pytest.mark.parametrize("language", CATALOGUES)
async def test_each_count_has_all_forms_of_the_language(page: Page, language: str) -> None:
    table, forms = await page.evaluate(_MESSAGES, language)
    assert set(table) == set(messages(language))  # as the tests without a browser read it
    for name, texts in table.items():
        assert isinstance(texts, str) or sorted(texts) == sorted(forms), name


@pytest.mark.parametrize(
    ("message", "values", "text"),
    [
        ("upload.added", {"count": 1}, "1 picture added"),
        ("upload.added", {"count": 1200}, "1,200 pictures added"),
        ("progress.of", {"name": "<b>{count}</b>"}, "Progress of <b>{count}</b>"),
    ],
)
async def test_values_are_filled_in(page: Page, message: str, values: Any, text: str) -> None:
    assert await page.evaluate(_T, [message, values]) == text


@pytest.mark.parametrize("given", [["no.such", {}], ["progress.of", {}], ["upload.added", {}]])
async def test_a_missing_message_or_value_is_an_error(page: Page, given: list[Any]) -> None:
    with pytest.raises(Error, match=given[0]):
        await page.evaluate(_T, given)
