"""The container files: valid, true to the settings, careful. No engine runs where CI does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from models.settings import Settings
from models.store.replica import REPLICA_SET

ROOT = Path(__file__).resolve().parent.parent
FILES = ("docker-compose.yml", "docker-compose-mongo-redis.yml")
NAMES = {name.upper() for name in Settings.model_fields}


def compose(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", FILES)
def test_valid_by_the_schema_of_compose(name: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(ROOT / name)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_environment_names_settings_that_exist_with_values_they_take() -> None:
    services = compose(FILES[0])["services"]
    for name in ("service", "worker"):
        environment = services[name]["environment"]
        assert set(environment) <= NAMES
        plain = {
            k.lower(): re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(v)) for k, v in environment.items()
        }
        made: Any = Settings
        settings = made(**plain).with_stores()
        assert settings.mongo_url.endswith(f"replicaSet={REPLICA_SET}")
    text = (ROOT / FILES[0]).read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) <= NAMES


def test_two_programs_of_one_image_wait_for_healthy_stores() -> None:
    services = compose(FILES[0])["services"]
    assert services["service"]["command"] == ["python", "-m", "service"]
    assert services["worker"]["command"] == ["python", "-m", "workers"]
    assert services["service"]["image"] == services["worker"]["image"]
    for name in ("service", "worker"):
        assert services[name]["depends_on"] == {
            "redis": {"condition": "service_healthy"},
            "mongo": {"condition": "service_healthy"},
        }
        assert services[name]["deploy"]["resources"]["limits"]["memory"]
    assert "ports" not in services["worker"]  # else --scale worker=2 would clash
    assert "container_name" not in services["worker"]


@pytest.mark.parametrize("name", FILES)
def test_stores_keep_their_data_and_are_a_replica_set(name: str) -> None:
    file = compose(name)
    redis, mongo = file["services"]["redis"], file["services"]["mongo"]
    assert redis["command"][1:3] == ["--appendonly", "yes"]
    assert "--replSet" in mongo["command"] and REPLICA_SET in mongo["command"]
    check = mongo["healthcheck"]["test"][-1]
    host = "mongo" if name == FILES[0] else "localhost"
    assert f'_id: "{REPLICA_SET}"' in check and f'host: "{host}:27017"' in check
    for store in (redis, mongo):
        volume = store["volumes"][0].partition(":")[0]
        assert volume in file["volumes"]
        assert store["healthcheck"]["test"]


def test_letters_go_to_a_mail_catcher_until_a_server_is_named() -> None:
    services = compose(FILES[0])["services"]
    catcher = services["mailpit"]
    assert catcher["image"].startswith("axllent/mailpit:")
    assert catcher["ports"] == ["127.0.0.1:8025:8025"]
    assert catcher["deploy"]["resources"]["limits"]["memory"]
    for name in ("service", "worker"):
        environment = services[name]["environment"]
        assert environment["SMTP_HOST"] == "${SMTP_HOST:-mailpit}"
        assert environment["SMTP_PORT"] == "${SMTP_PORT:-1025}"  # as mailpit listens
        assert environment["SMTP_TLS"] == "${SMTP_TLS:-none}"
        # The same secret and the same sender on both sides, or links would not work.
        assert {"SECRET_KEY", "SMTP_FROM", "PUBLIC_URL"} <= set(environment)


def test_ports_are_published_on_loopback_only() -> None:
    for name in FILES:
        for service in compose(name)["services"].values():
            for port in service.get("ports", []):
                assert port.startswith("127.0.0.1:")


def test_dockerfile() -> None:
    steps = DockerfileParser(str(ROOT / "Dockerfile")).structure
    order = [step["instruction"] for step in steps]
    values = {step["instruction"]: step["value"] for step in steps}
    assert values["FROM"].startswith("python:3.11-slim")
    assert values["USER"] == "darkroom"
    assert order.index("USER") > order.index("RUN")
    assert '"service", "health"' in values["HEALTHCHECK"]
    assert values["CMD"] == '["python", "-m", "service"]'
    environment = dict(re.findall(r"(\w+)=(\S+)", values["ENV"]))
    assert {name for name in environment if not name.startswith("PYTHON")} <= NAMES
    copied = {s["value"].split()[0] for s in steps if s["instruction"] == "COPY"}
    assert {"models", "service", "workers", "weights"} <= copied
    allowed = (ROOT / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} <= set(allowed)


def test_health_commands(house: Any) -> None:
    ports = {n: (house.data_dir / n / "port").read_text().strip() for n in ("redis", "mongo")}
    stores = {
        "REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/0",
        "MONGO_URL": f"mongodb://127.0.0.1:{ports['mongo']}/?replicaSet={REPLICA_SET}",
    }

    def health(program: str, **environment: str) -> int:
        command = [sys.executable, "-m", program, "health"]
        environment = {"PATH": "/usr/bin:/bin", **stores, **environment}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

    assert health("service", PORT=str(house.port)) == 0
    assert health("service", PORT="1") == 1
    assert health("workers") == 0
    assert health("workers", MONGO_DB="empty") == 1
