"""The catalogues of the pages: the same texts in each language, all used, and the API's."""

from __future__ import annotations

import ast
import inspect
import re
from types import ModuleType

import pytest
from markupsafe import Markup

from models.error_members import BY_CODE, codes
from models.errors import BadImage, Forbidden, InternalError, RateLimited, TooManyPixels
from models.operations import OPERATIONS
from models.operations.parameter_docs import summary
from service.dashboard import alerts
from service.handlers import send_images
from service.pages.catalogue import CATALOGUES, DEFAULT_LANGUAGE
from tests.support.page_scripts import catalogue, messages, templates
from tests.support.paths import ROOT
from workers.imaging import damage, metadata, notes
from workers.upscaler import auto

OTHERS = [language for language in CATALOGUES if language != DEFAULT_LANGUAGE]
PARTS = ("scripts", "templates")
_USED = re.compile(r'''(?:\bt\(|\bsay\(|error_page\(request,)\s*"([a-z]+\.\w+)"''')
_SHOWN = re.compile(r"""(?:aria-label|title|alt|placeholder)="([^"]*)"|>([^<>]+)<""")
_REFERENCE = {"required", "; default", "in the", "or", "Headers: .", "Members: .", "/openapi.json"}
"""Words among the API's own, within a lang="en"; and an address."""


def test_the_default_language_comes_first() -> None:
    assert next(iter(CATALOGUES)) == DEFAULT_LANGUAGE and OTHERS == ["de"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", CATALOGUES)
def test_each_language_has_the_same_texts_with_the_same_values(language: str, part: str) -> None:
    english, found = messages(part=part), messages(language, part)
    assert list(found) == list(english)  # in the same order, so that they can be read side by side
    for name, (forms, placeholders) in found.items():
        assert placeholders == english[name].placeholders, name
        assert ("" in forms) == ("" in english[name].forms), name
        for text in forms.values():
            assert {*re.findall(r"\{(\w+)\}", text)} | {"count"} >= placeholders, name
            assert (text == text.strip() and text) or name == "tasks.then", name
            assert "{}" not in text and "<" not in text, name


def test_no_text_is_in_two_parts() -> None:
    assert not messages(part="scripts").keys() & messages(part="templates").keys()


def test_each_text_of_the_templates_is_there_and_used() -> None:
    known = messages(part="templates").keys()
    sources = [path.read_text() for path in (ROOT / "service").rglob("*.py")]
    sources = [*templates().values(), *sources]
    used = {name for text in sources for name in _USED.findall(text)}
    used |= {"notice.subscribed", "notice.unsubscribed"}  # by the status in the response
    used |= {"number.decimal", "list.or"}  # of the catalogue itself
    assert used - known - messages(part="scripts").keys() == set()
    assert known - used == set()


@pytest.mark.parametrize("name", templates())
def test_no_text_stands_in_a_template(name: str) -> None:
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", templates()[name], flags=re.DOTALL)
    text = re.sub(r"<(code|kbd|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    shown = (each.strip() for pair in _SHOWN.findall(text) for each in pair)
    found = {each for each in shown if re.search(r"[A-Za-z]", each)} - {"Darkroom"}
    assert found <= (_REFERENCE if name == "docs.html" else set())


def of_the_api() -> set[str]:
    """Return texts of the API that the pages show; ``{}`` for values."""
    texts = {value for name, value in vars(notes).items() if name.isupper()}
    for spec in OPERATIONS.values():
        fields = spec.model_json_schema()["properties"].values()
        texts |= {summary(spec), *(field["description"] for field in fields)}
    return texts | {damage.missing("{}", 0.02, more) for more in (False, True)}


def strings(module: ModuleType) -> list[str]:
    """Return the string literals of a module, of f-strings the parts between values."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return [value for value in values if isinstance(value, str)]


@pytest.mark.parametrize("language", OTHERS)
def test_each_text_of_the_api_is_translated_as_it_stands_now(language: str) -> None:
    given = catalogue(language)["api"]
    for english, text in given.items():
        assert text.count("{}") == english.count("{}"), english
    patterns = [re.compile("(.+)".join(map(re.escape, each.split("{}")))) for each in given]
    texts = of_the_api()
    untold = [each for each in texts if not any(pattern.fullmatch(each) for pattern in patterns)]
    assert untold == []
    dead = [e for e, p in zip(given, patterns, strict=True) if not any(map(p.fullmatch, texts))]
    raised = [
        text for source in (alerts, auto, damage, metadata, send_images) for text in strings(source)
    ]
    for each in dead:
        for piece in each.split("{}"):
            assert any(piece.strip() in text for text in raised), each


def test_english_says_for_people_what_the_api_says_for_programs() -> None:
    english = catalogue("en")["api"]
    assert english.keys() <= of_the_api()
    for said, text in english.items():
        assert text.count("{}") == said.count("{}") and text != said
        assert not re.search(r"\w=\w", text), text  # no fields of a form


@pytest.mark.parametrize("language", OTHERS)
def test_each_error_is_said_with_members_that_it_has(language: str) -> None:
    given = catalogue(language)["errors"]
    assert given.keys() == {kind.code for kind in codes()}
    for code, forms in given.items():
        names = [set(re.findall(r"\{(\w+)\}", form)) for form in forms]
        assert names[-1] <= {"incident"} and forms[-1].endswith("."), code  # one fits always
        assert set().union(*names) <= {*BY_CODE[code].members}, code


def test_values_are_escaped_unless_they_are_markup() -> None:
    say = CATALOGUES["de"]
    shown = say("page.logged_in", name="<b>{out}</b>", out=Markup("<i>x</i>"))
    assert shown == "Angemeldet als &lt;b&gt;{out}&lt;/b&gt;. <i>x</i>"
    with pytest.raises(KeyError, match="out"):
        say("page.logged_in", name="x")
    with pytest.raises(KeyError, match=r"no\.such"):
        say("no.such")


def test_numbers_and_alternatives() -> None:
    english, german = CATALOGUES["en"], CATALOGUES["de"]
    assert (english.number(1.5), german.number(1.5), german.number(32)) == ("1.5", "1,5", "32")
    assert german.choice(["PNG", "JPEG"]) == "PNG oder JPEG"
    assert german.choice(["PNG", "JPEG", "HEIC"]) == "PNG, JPEG oder HEIC"
    assert german.choice(["PNG"]) == "PNG"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Forbidden("no", scope="admin"), "Diesem Schlüssel fehlt die Berechtigung admin."),
        (Forbidden("no"), "Das ist von hier aus oder mit diesem Schlüssel nicht erlaubt."),
        (
            TooManyPixels("no", limit=[10, 1.5], measured=12),
            "Zu viele Pixel: 12; höchstens 10, 1,5 sind erlaubt.",
        ),
        (RateLimited("no", retry_after=None), "Zu viele Anfragen; bitte später erneut versuchen."),
        (BadImage("no"), "Das Bild ist beschädigt, unvollständig oder nicht lesbar."),
        (
            InternalError("no", incident="{x}"),
            "Ein Fehler in Darkroom; im Protokoll steht er als {x}.",
        ),
    ],
)
def test_an_error_is_said_by_its_code(error: Forbidden, said: str) -> None:
    assert CATALOGUES["de"].error(error) == (said, "de")
    assert CATALOGUES["en"].error(error) == ("no", "en")
