"""`make run` where the package index has no stores for the machine: the message says what helps."""

from __future__ import annotations

import platform
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from models.replica_set import REPLICA_SET
from models.settings import Settings
from standalone import embedded_stores
from standalone.process import CannotStart
from tests.support.paths import ROOT


@pytest.mark.parametrize("store", ["redis", "mongo"])
def test_a_platform_without_stores(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(CannotStart) as caught:
        getattr(embedded_stores, store)(tmp_path)
    text = str(caught.value)
    program, setting = {"redis": ("redis-server", "REDIS_URL"), "mongo": ("mongod", "MONGO_URL")}[
        store
    ]
    assert f"no embedded {program} on this machine (Linux riscv64" in text
    assert f"{setting} is empty" in text
    _, start, use = text.splitlines()
    readme = (ROOT / "README.md").read_text()
    assert f"$ {start.strip()}\n" in readme and f"$ {use.strip()}\n" in readme
    compose = yaml.safe_load((ROOT / start.split()[3]).read_text())
    given = dict(word.strip("'").split("=", 1) for word in use.replace("='", "=").split()[2:])
    for name, url in given.items():
        monkeypatch.setenv(name, url.strip("'"))
    stores = Settings.load().require_stores().stores
    for url, called in ((stores.redis_url, "redis"), (stores.mongo_url, "mongo")):
        address = urlsplit(url)
        (published,) = compose["services"][called]["ports"]
        assert published.startswith(f"127.0.0.1:{address.port}:")
    assert parse_qs(urlsplit(stores.mongo_url).query)["replicaSet"] == [REPLICA_SET]
