"""docs/deployment.md and the compose files set MongoDB as the suite of several machines does."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT
from tests.support.replica_set import PARAMETERS, SETTINGS


@pytest.mark.parametrize(
    "name", ["docs/deployment.md", "docker-compose.yml", "docker-compose-mongo-redis.yml"]
)
def test_a_replica_set_is_set_as_the_suite_builds_it(name: str) -> None:
    text = (ROOT / name).read_text()
    for setting, value in {**SETTINGS, **PARAMETERS}.items():
        found = re.findall(rf"\b{setting}(?::\s|=)(\w+)", text)
        assert found == [str(value).lower()], setting
