"""Texts that users read are plain: no phrase of a private language, no riddle."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator

import pytest

from models.error_members import codes
from models.metrics.definitions import METRICS
from models.settings import Settings
from service.app import create_app
from service.openapi.document import OPENAPI
from tests.support.paths import ROOT

RIDDLES = re.compile(
    r"""\b(
        whom | whoever | whosoever | nobody | everybody | somebody(['’]s)?
        | what\ is\ had | who\ has\ (none|one) | is\ let\ in | are\ let\ in | leads\ here
        | (of|for|to|by)\ those\ (who|which|that) | lives?\ of
        | (?<!there\ )(is|are|was)\ no\ (good|picture|image|number|name) | looks\ like\ no
        | without\ being\ ours | and\ not\ done | forget\ all | keeps?\ house | in\ its\ turn
        | doorkeeper | toll | parcels? | crowd | glance
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)


def error_texts() -> Iterator[tuple[str, str]]:
    """Yield what the product raises: string literals within ``raise``."""
    for package in ("models", "service", "workers", "standalone"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Raise):
                    for part in ast.walk(node):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            yield f"{path.relative_to(ROOT)}:{part.lineno}", part.value


def texts_of(value: object, at: str) -> Iterator[tuple[str, str]]:
    """Yield the summaries and descriptions of a JSON document."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key in {"summary", "description", "title"} and isinstance(member, str):
                yield f"{at}.{key}", member
            else:
                yield from texts_of(member, f"{at}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts_of(item, f"{at}[{number}]")


def files(*patterns: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        found = sorted(ROOT.glob(pattern))
        assert found, pattern
        for path in found:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield f"{path.relative_to(ROOT)}:{number}", line


USER_VISIBLE: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "errors": lambda: [*error_texts(), *((kind.code, kind.__doc__ or "") for kind in codes())],
    "metrics": lambda: [(metric.name, metric.help) for metric in METRICS],
    "settings": lambda: files("env_example"),
    "openapi": lambda: texts_of(json.loads(create_app(Settings())[OPENAPI].body), "openapi"),
    "pages": lambda: files(
        "service/pages/**/*.html", "service/pages/**/*.js", "service/pages/messages/en.json"
    ),
    "e-mails": lambda: files("workers/mail/**/*.html", "workers/mail/**/*.txt"),
    "documents": lambda: files("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**/*.md"),
}


@pytest.mark.parametrize("kind", USER_VISIBLE)
def test_no_riddles(kind: str) -> None:
    texts = list(USER_VISIBLE[kind]())
    assert len(texts) > 5
    found = [f"{where}: {text[:100]}" for where, text in texts if RIDDLES.search(text)]
    assert not found, "\n".join(found)


def test_every_phrase_is_found() -> None:
    """The pattern is alive: each old sentence of the project that it was written for matches."""
    for old in (
        "Whom a request is for: a name that leads here without being ours",
        "this was asked by a page of another site, and not done",
        "this is no good HTTP request",
        "whether who has none is let in",
        "this looks like no picture",
        "Keep house if it is due and nobody does",
    ):
        assert RIDDLES.search(old), old
