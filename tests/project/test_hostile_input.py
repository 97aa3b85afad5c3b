"""Hostile input, from file names to query operators, end to end through a Darkroom.

Names go in as raw bytes and are checked in every output: the task, the result's name, its
Content-Disposition, the zip file, the e-mail. Each trick is a test of its own.
"""

from __future__ import annotations

import asyncio
import email
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from email import policy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from models.store import Store
from standalone import embedded_stores
from tests.support import images
from tests.support.service_process import ServiceProcess, send_request
from tests.support.standalone_process import StandaloneProcess

NAMES = {
    "parent": ("../../etc/passwd.png", "passwd.png"),
    "parent-of-windows": ("..\\\\..\\\\boot.png", "boot.png"),
    "absolute": ("/etc/shadow.png", "shadow.png"),
    "only-dots": ("..", "image"),
    "hidden": (".htaccess.png", "htaccess.png"),
    "nul": ("a\0b.png", "a_b.png"),
    "escape-codes": ("\x1b[2Ja.png", "__2Ja.png"),
    "right-to-left": ("cat\u202egnp.exe", "cat_gnp.exe"),
    "isolates": ("\u2066a\u2069b.png", "_a_b.png"),
    "zero-width": ("c\u200ba\u200dt\ufeff.png", "c_a_t_.png"),
    "line-separator": ("a\u2028b\u2029c.png", "a_b_c.png"),
    "300-characters": ("x" * 300 + ".png", "x" * 96 + ".png"),
    "300-of-three-bytes": ("日" * 300 + ".png", "日" * 96 + ".png"),
    "emoji": ("😀👩‍👧.png", "____.png"),
    "percent-2f": ("..%2f..%2fpercent.png", "_2f.._2fpercent.png"),
    "percent-nul": ("a%00b.png", "a_00b.png"),
    "percent-crlf": ("a%0d%0aSet-Cookie: evil=1.png", "a_0d_0aSet-Cookie_ evil_1.png"),
    "device": ("CON.png", "_CON.png"),
    "device-of-two-suffixes": ("nul.tar.png", "_nul.tar.png"),
    "device-with-a-number": ("lpt1.png", "_lpt1.png"),
    "alternate-stream": ("cat.png::$DATA", "cat.png___DATA"),
    "trailing-dots": ("cat-dots.png. . .", "cat-dots.png"),
    "option": ("-rf.png", "_-rf.png"),
    "shell": ("$(reboot)`id`;|&.png", "_(reboot)_id____.png"),
    "script": ("<img src=x onerror=alert(1)>.png", "_img src_x onerror_alert(1)_.png"),
    "template": ("{{7*7}}{% raw %}${7*7}.png", "__7_7____ raw ____7_7_.png"),
    "format-string": ("%s%n{0.__class__}.png", "_s_n_0.__class___.png"),
    "operator": ("$where.png", "_where.png"),
    "operator-behind-a-dot": ("a.$gt.png", "a._gt.png"),
    "formula": ("=cmd('calc')!A0.png", "_cmd(_calc_)_A0.png"),
    "encoded-word": ("=?utf-8?q?evil?=.png", "__utf-8_q_evil__.png"),
    "quote": ('a\\"; filename=evil.png', "a__ filename_evil.png"),
}
BAD = '{{7*7}}\u202e<b>\\"}\\n{\\"event\\": \\"forged\\"}.txt'  # no image: listed among failures
_SAFE = re.compile(r"[\w\-. ()+]+")


def hostile(name: str) -> bool:
    """Return whether a name could harm a program that shows or stores it."""
    odd = {unicodedata.category(each) for each in name} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return bool(odd) or not _SAFE.fullmatch(unicodedata.normalize("NFC", name)) or name[0] in ".-"


def part(name: str, data: bytes) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n"


def post(path: str, body: bytes, kind: str = "multipart/form-data; boundary=x") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


class HostileUpload:
    """A group of pictures with hostile names: its tasks, zip file and e-mail."""

    def __init__(self, darkroom: StandaloneProcess) -> None:
        self.darkroom = darkroom
        body = b"".join(
            part(name, images.png(seed=9000 + number))
            for number, (name, _) in enumerate(NAMES.values())
        )
        body += part(BAD, b"no picture at all, but longer than sixteen bytes")
        body += b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\neve@example.org\r\n'
        self.group = self._json(post("/grayscale", body + b"--x--\r\n"))
        group_id = self.group["group_id"]
        while self.group["status"] in {"CREATED", "STARTED"}:
            self.group = self._json(get(f"/status/{group_id}?wait=30"))
        self.tasks = dict(zip([*NAMES, "bad"], self.group["tasks"], strict=True))
        self.zip = send_request(darkroom.port, get(self.group["archive_url"]))[2]
        self._json(post(f"/send_images/{group_id}", b""))
        outbox = darkroom.data_dir / "outbox"

        def emails() -> list[bytes]:  # other tests send to other addresses
            found = (path.read_bytes() for path in outbox.glob("*.eml"))
            return [data for data in found if b"\nTo: eve@example.org" in data]

        darkroom.until(emails, "an e-mail")
        self.message = emails()[-1]

    def _json(self, request: bytes) -> Any:
        status, _, body = send_request(self.darkroom.port, request)
        assert status in {200, 202}, body
        return json.loads(body)


@pytest.fixture(scope="module")
def sent(darkroom: StandaloneProcess) -> HostileUpload:
    return HostileUpload(darkroom)


# File names


@pytest.mark.parametrize("trick", NAMES)
@pytest.mark.integration
def test_name(sent: HostileUpload, trick: str, tmp_path: Path) -> None:
    task = sent.tasks[trick]
    assert (task["status"], task["name"]) == ("SUCCESS", NAMES[trick][1])
    (result,) = task["results"]
    assert not hostile(task["name"]) and not hostile(result["name"])
    assert len(result["name"].encode()) <= 255

    # The URL is the quoted name and leads to the picture only.
    assert result["url"] == "/processed/" + quote(result["name"])
    status, headers, data = send_request(sent.darkroom.port, get(result["url"]))
    assert status == 200 and images.decoded(data).size == (40, 30)
    plain = re.fullmatch(
        r"inline; filename=\"([\w\-. ()+]+)\"(; filename\*=UTF-8''[\w\-.%~]+)?",
        headers["content-disposition"],
        re.ASCII,
    )
    assert plain and (plain.group(2) or plain.group(1) == result["name"])
    assert not {"set-cookie", "evil"} & set(headers)

    # The zip file unpacks it as one file below the target folder.
    with zipfile.ZipFile(io.BytesIO(sent.zip)) as archive:
        where = Path(archive.extract(result["name"], tmp_path))
        assert where == tmp_path / result["name"] and where.read_bytes() == data


@pytest.mark.parametrize("trick", NAMES)
@pytest.mark.integration
def test_hostile_name_as_a_path(sent: HostileUpload, trick: str) -> None:
    """A hostile name as a path returns a picture or a refusal."""
    for address in (quote(NAMES[trick][0], safe=""), quote(quote(NAMES[trick][0], safe=""))):
        status, headers, _ = send_request(sent.darkroom.port, get(f"/processed/{address}"))
        assert status in {200, 404}
        assert headers["content-type"].startswith(("image/png", "application/problem+json"))
        assert "set-cookie" not in headers


def test_names_in_the_zip_file_are_unique(sent: HostileUpload) -> None:
    with zipfile.ZipFile(io.BytesIO(sent.zip)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        failures = archive.read("errors.txt").decode()
    assert len({name.casefold() for name in names}) == len(names) == len(NAMES) + 1
    assert not any(hostile(name) for name in names)
    (line,) = failures.splitlines()
    assert not {unicodedata.category(each) for each in line} & {"Cc", "Cf", "Zl", "Zp"}


def test_names_in_the_email(sent: HostileUpload) -> None:
    """It lists failed files; names become no tags, headers or templates."""
    message = email.message_from_bytes(sent.message, policy=policy.default)
    assert message["To"] == "eve@example.org" and message["Subject"] == "Your pictures are ready"
    assert message["Bcc"] is None and message["Set-Cookie"] is None
    text, html = (
        message.get_body((kind,)).get_content()  # type: ignore[union-attr]
        for kind in ("plain", "html")
    )
    for shown in (text, html):
        assert "49" not in re.sub(r"[0-9a-f]{32}|:\d+", "", shown)  # 7 * 7; not an ID or port
        assert not {unicodedata.category(each) for each in shown} & {"Cf", "Zl", "Zp"}
    assert "<b>" not in html and "forged" in html


@pytest.mark.integration
def test_names_that_are_not_utf8_become_harmless(sent: HostileUpload) -> None:
    """Overlong letters and surrogates are not decoded: they could be a path behind the checks."""
    for raw in (b"\xc0\xae\xc0\xae/a.png", b"\xff\xfe.png", b"\xed\xa0\x80.png"):
        body = part("NAME", images.png()).replace(b"NAME", raw) + b"--x--\r\n"
        status, _, answer = send_request(sent.darkroom.port, post("/grayscale", body))
        assert status in {200, 202}  # the same picture may be done by then
        name = json.loads(answer)["name"]
        assert not hostile(name) and name.endswith(".png"), name


# The other tests need no worker


@pytest.fixture(scope="module")
def service(
    mongo: embedded_stores.EmbeddedStore,
    redis: embedded_stores.EmbeddedStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("input")
    settings = Settings().replace(
        redis_url=redis.url, mongo_url=mongo.url, mongo_db="input", data_dir=folder / "data"
    )
    options = {"API_KEYS": "on", "ALLOW_ANONYMOUS": "1", "RATE_LIMITS": "off"}
    with ServiceProcess(settings, folder, IMAGES_ROOT=str(folder), **options) as started:
        form = part("victim.png", images.png(seed=1)) + b"--x--\r\n"
        assert send_request(started.port, post("/blur", form))[0] == 202
        yield started


@pytest.fixture(scope="module")
def admin(service: ServiceProcess) -> str:
    """The header of an admin key of ``service``."""

    async def create_key() -> str:
        store = Store(service.settings)
        try:
            return (await store.api_keys.create("operator", (Scope.ADMIN,), None))[1]
        finally:
            store.close()

    return f"Authorization: Bearer {asyncio.run(create_key())}"


def form(**fields: str) -> bytes:
    texts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return texts.encode() + part("cat.png", images.png()) + b"--x--\r\n"


OPERATORS = ['{"$gt": ""}', '{"$ne": null}', '{"$where": "sleep(9999)"}', "[$ne]", "$ne", "a.$gt"]


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_in_fields(service: ServiceProcess, operator: str) -> None:
    for fields in ({"sigma": operator}, {operator.replace('"', ""): "1"}, {"email": operator}):
        status, _, body = send_request(service.port, post("/blur", form(**fields)))
        assert (status, json.loads(body)["code"]) == (422, "bad_parameter"), fields


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_in_addresses(service: ServiceProcess, operator: str) -> None:
    address = quote(operator, safe="")
    for path in ("/tasks/{}", "/status/{}", "/processed/{}", "/convert/{}", "/tasks/{}/events"):
        assert send_request(service.port, get(path.format(address)))[0] == 404
    for query in (f"wait[$gt]={address}", f"wait={address}", f"name[$ne]={address}"):
        assert send_request(service.port, get(f"/tasks/x?{query}"))[0] in {404, 422}
    for token in (f"token={address}", f"token[$ne]={address}"):
        assert send_request(service.port, get(f"/subscribe/confirm?{token}"))[0] in {400, 404, 422}


@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, {"$in": ["a"]}, [{"$ne": 1}], True])
def test_operators_in_json(service: ServiceProcess, admin: str, value: Any) -> None:
    for path, document in (
        ("/groups", {"tasks": value}),
        ("/groups", {"tasks": [value]}),
        ("/groups", {"tasks": ["a"], "$where": value}),
        ("/groups", value),
        ("/subscribe", {"email": value}),
        ("/unsubscribe", {"email": value}),
        ("/items/", {"images": value, "operations": ["resize=2"]}),
        ("/items/", {"images": [{"input": value, "output": value}], "operations": ["resize=2"]}),
        ("/items/", {"images": [{"input": "a", "output": "b"}], "operations": [value]}),
    ):
        request = post(path, json.dumps(document).encode(), f"application/json\r\n{admin}")
        status, headers, _ = send_request(service.port, request)
        assert status in {400, 422}, (path, document)
        assert headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "operations",
    [
        '[{"op": {"$ne": 1}}]',
        '[{"$where": "1"}]',
        '[{"op": "blur", "sigma": {"$gt": 0}}]',
        '[{"op": "blur", "sigma": 1, "a.b": 1}]',
        '[{"op": "blur", "sigma": 1, "$set": {"status": "SUCCESS"}}]',
        '[{"op": "blur", "sigma": 1, "__proto__": {}}]',
        '{"$gt": ""}',
    ],
)
def test_operators_in_pipelines(service: ServiceProcess, operations: str) -> None:
    status, _, body = send_request(service.port, post("/process", form(operations=operations)))
    assert status in {400, 422}, body


@pytest.mark.parametrize("search", [".*", "v.*", "^victim", "[a-z]", "(", "$where", '{"$ne":1}'])
def test_search_patterns_are_literal(service: ServiceProcess, admin: str, search: str) -> None:
    ask = get(f"/dashboard/api/tasks?search={quote(search, safe='')}", admin)
    status, _, body = send_request(service.port, ask)
    assert (status, json.loads(body)["tasks"]) == (200, [])
    status, _, body = send_request(service.port, get("/dashboard/api/tasks?search=victim", admin))
    assert len(json.loads(body)["tasks"]) == 1
    assert send_request(service.port, get("/dashboard/api/tasks?search[$ne]=x", admin))[0] == 422


@pytest.mark.parametrize(
    "evil",
    [
        "x\r\nBcc: all@example.org",
        "ann@example.org\nBcc: all@example.org",
        "ann@example.org\r\n\r\nA body",
        "ann@example.org%0d%0aBcc:all@example.org",
        "ann@example.org, all@example.org",
        "ann@example.org;all@example.org",
        "Ann <ann@example.org>",
        "=?utf-8?q?ann?=@example.org",
        "ann@example.org\u2028Bcc: all@example.org",
        "ann@example.org\x00",
        "{{7*7}}@example.org\r\n",
    ],
)
def test_addresses_that_would_be_headers(service: ServiceProcess, evil: str) -> None:
    status, _, body = send_request(service.port, post("/blur", form(email=evil)))
    assert (status, json.loads(body)["parameter"]) == (422, "email")
    document = json.dumps({"email": evil}).encode()
    assert send_request(service.port, post("/subscribe", document, "application/json"))[0] == 422


_FORGED = '\r\n{"event": "forged", "level": "error"}\r\n\u2028\x1b[2J\u202e'


@pytest.mark.parametrize("where", ["address", "query", "file-name", "field", "header", "json"])
def test_log_lines_cannot_be_forged(service: ServiceProcess, where: str) -> None:
    service.mark()
    marked = f"mark-{where}{_FORGED}"
    address = quote(marked, safe="")
    value = marked.replace("\r\n", "%0d%0a")
    printed = value.replace("\x1b", "")  # the parser refuses control characters in headers
    requests = {
        "address": get(f"/processed/{address}"),
        "query": get(f"/tasks/x?{address}={address}"),
        "file-name": post("/blur", part(value, b"no picture") + b"--x--\r\n"),
        "field": post("/blur", form(sigma=marked)),
        "header": get("/tasks/x", f"X-Request-ID: {printed}", f"User-Agent: {printed}"),
        "json": post("/groups", json.dumps({"tasks": [marked]}).encode(), "application/json"),
    }
    send_request(service.port, requests[where])
    lines = service.lines()  # each is one JSON object, or this fails
    expected = {"request", "refused", "client_error", "lines_dropped"}
    assert lines and {line["event"] for line in lines} <= expected
    raw = service.log.read_bytes()
    assert b"\x1b" not in raw and "\u202e".encode() not in raw and "\u2028".encode() not in raw


@pytest.mark.parametrize(
    "ask",
    [
        get("/processed/a%0d%0aX-Evil:%20marked"),
        get("/tasks/marked%0d%0aX-Evil:%20marked?wait=1"),
        get("/nope/marked%0d%0aX-Evil:marked"),
        get("/tasks/x", "X-Request-ID: marked;evil"),
        get("/operations", "Origin: https://marked.example", "If-None-Match: marked"),
        get("/openapi.json", 'If-None-Match: "marked"', "Range: marked"),
        get("/static/marked%0d%0aX-Evil:marked"),
        get("/dashboard?marked%0d%0aX-Evil:marked", "Accept: text/html;marked=1"),
        get("/login?next=marked%0d%0aX-Evil:marked", "Accept: text/html"),
        post("/login", b"key=marked%0d%0a", "application/x-www-form-urlencoded"),
        post("/upscale?redirect=1&marked%0d%0aX-Evil=marked", form()),
        post("/blur", form(sigma="2\r\nX-Evil: marked")),
        get("/", "Accept: marked", "Cookie: darkroom_session=marked", "Forwarded: marked"),
        get("/", "X-Forwarded-Host: marked.example", "X-Forwarded-Proto: marked"),
    ],
    ids=[
        *("result", "task", "nowhere", "request-id", "origin", "conditions", "static"),
        *("dashboard", "login-next", "login-token", "redirect", "field", "cookies", "forwarded"),
    ],
)
def test_request_text_is_not_reflected_in_headers(service: ServiceProcess, ask: bytes) -> None:
    status, headers, _ = send_request(service.port, ask)
    assert status < 500 and "x-evil" not in headers
    if ask.startswith(b"GET /dashboard?"):  # on the way to the login, and back, encoded
        assert headers.pop("location").startswith("/login?next=")
    assert "marked" not in str(headers)


@pytest.mark.parametrize(
    "path",
    [
        "/login?next={}",
        "/subscribe/confirm?token={}",
        "/unsubscribe?token={}",
        "/processed/{}",
        "/tasks/{}",
        "/docs?{}",
        "/{}",
        "/dashboard/{}",
        "/static/{}",
    ],
)
@pytest.mark.parametrize(
    "text", ["{{7*7}}", "{% for a in [7,7] %}49{% endfor %}", "${7*7}<%= 7*7 %>#{7*7}", "<b>49</b>"]
)
def test_templates_are_text(service: ServiceProcess, admin: str, path: str, text: str) -> None:
    ask = get(path.format(quote(text, safe="")), "Accept: text/html", admin)
    status, headers, body = send_request(service.port, ask)
    assert status < 500
    if headers["content-type"].startswith("text/html"):
        page = body.decode()
        assert "4949" not in page and "<b>49</b>" not in page
        assert not re.search(r'value="49"|>49<|<%=', page.replace("&lt;", ""))
