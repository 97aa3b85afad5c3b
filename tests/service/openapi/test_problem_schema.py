"""The error codes: complete, true to the raised errors, and docs/errors.md is up to date."""

from __future__ import annotations

import ast

from docs.__main__ import HERE
from docs.generate import errors as page
from models.error_members import BY_CODE, MEMBERS, codes, meaning
from models.errors import AppError
from tests.support.paths import ROOT


def test_docs_errors_page_is_up_to_date() -> None:
    assert (HERE / "errors.md").read_text() == page.page(), "run python -m docs"


def test_every_code_has_a_meaning() -> None:
    for kind in codes():
        assert len(meaning(kind)) > 10, kind
        assert f"`{kind.code}`" in page.page()


def test_every_member_has_a_meaning() -> None:
    named = {name for kind in BY_CODE.values() for name in kind.members}
    assert named == set(MEMBERS)


def raised() -> dict[str, set[str]]:
    """Return the members with which each error is made anywhere in the code."""
    names = {kind.__name__ for kind in BY_CODE.values()}
    found: dict[str, set[str]] = {name: set() for name in names}
    for package in ("models", "service", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in names:
                    found[called] |= {each.arg for each in node.keywords if each.arg}
                if called == "refuse":  # of models.outbound.url: it makes the error of its field
                    for name in ("BadCallbackUrl", "BadImageUrl"):
                        found[name] |= {each.arg for each in node.keywords if each.arg}
                if called == "check_limit":  # it makes the error whose type it is given
                    given = {ast.unparse(each) for each in node.args} & names or {"BadParameter"}
                    for name in given:
                        found[name] |= {"setting", "limit", "measured"}
    return found


def test_errors_are_raised_with_the_members_they_declare() -> None:
    given = raised()
    for kind in BY_CODE.values():
        if kind is not AppError:
            assert given[kind.__name__] == set(kind.members), kind.__name__
