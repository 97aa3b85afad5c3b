"""The container files are valid, match the settings and drop privileges. CI has no engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from models import VERSION
from models.errors import BadSettings
from models.replica_set import REPLICA_SET, embedded_mongo_url
from models.settings import FIELDS, Settings
from models.store import Store
from service.auth import startup_check
from tests.support.paths import ROOT

FILES = ("docker-compose.yml", "docker-compose-mongo-redis.yml")
MAIL = "docker-compose-mail.yml"
SETTING_NAMES = {name.upper() for name in FIELDS}
DATA_DIR = "/home/darkroom/data"
"""Where the containers write: a volume for each container, not memory."""


def compose(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def check(path: Path) -> None:
    """Validate a file against the schema of Compose."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def settings_in_container(
    environment: Any, monkeypatch: pytest.MonkeyPatch, **given: str
) -> Settings:
    """Return the settings of a program in its container; ``given``: operator's variables."""
    for name, value in environment.items():
        filled = re.sub(
            r"\$\{(\w+):-(.*?)\}", lambda found: given.get(found[1]) or found[2], str(value)
        )
        monkeypatch.setenv(name, filled)
    return Settings.load().require_stores()


@pytest.mark.parametrize("name", [*FILES, MAIL])
@pytest.mark.integration
def test_valid_by_the_schema_of_compose(name: str) -> None:
    check(ROOT / name)


def test_environment_has_existing_settings_with_valid_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = compose(FILES[0])["services"]
    for name in ("service", "worker"):
        environment = services[name]["environment"]
        assert set(environment) <= SETTING_NAMES
        settings = settings_in_container(environment, monkeypatch)
        assert settings.stores.mongo_url.endswith(f"replicaSet={REPLICA_SET}")
    text = (ROOT / FILES[0]).read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) <= SETTING_NAMES


def test_service_and_worker_share_an_image_and_wait_for_healthy_stores() -> None:
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


@pytest.mark.parametrize("name", ["service", "worker"])
def test_empty_mail_settings_are_the_defaults_and_a_password_is_never_in_the_clear(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose(FILES[0])["services"][name]["environment"]
    passed = {f"SMTP_{what}" for what in ("HOST", "PORT", "TLS", "USER", "PASSWORD", "FROM")}
    # The same secret and the same sender on both sides, or links would not work.
    for variable in {*passed, "PUBLIC_URL", "SECRET_KEY"}:
        assert environment[variable] == f"${{{variable}:-}}"
        field = FIELDS[variable.lower()]
        assert (
            settings_in_container(environment, monkeypatch).values()[variable.lower()]
            == field.default
        )
    login = {"SMTP_HOST": "mail.example.org", "SMTP_USER": "ann", "SMTP_PASSWORD": "hush"}
    settings = settings_in_container(environment, monkeypatch, **login)
    assert (settings.mail.smtp_host, settings.mail.smtp_port) == ("mail.example.org", 587)
    assert (settings.mail.smtp_user, settings.mail.smtp_tls) == ("ann", "starttls")


def test_the_mail_catcher_is_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "mailpit" not in compose(FILES[0])["services"]
    assert f"docker compose -f {FILES[0]} -f {MAIL} up --build" in (ROOT / "README.md").read_text()
    assert compose(MAIL)["name"] == compose(FILES[0])["name"]
    services = compose(MAIL)["services"]
    assert set(services) == {"service", "worker", "mailpit"}
    catcher = services["mailpit"]
    assert catcher["image"].startswith("axllent/mailpit:")
    assert catcher["ports"] == ["127.0.0.1:8025:8025"]
    assert catcher["deploy"]["resources"]["limits"]["memory"]
    real = {"SMTP_HOST": "mail.example.org", "SMTP_USER": "ann", "SMTP_PASSWORD": "hush"}
    for name in ("service", "worker"):
        assert set(services[name]) == {"environment"}  # the rest is the first file's
        merged = {
            **compose(FILES[0])["services"][name]["environment"],
            **services[name]["environment"],
        }
        settings = settings_in_container(merged, monkeypatch, **real)
        # As it listens.
        assert (settings.mail.smtp_host, settings.mail.smtp_port) == ("mailpit", 1025)
        # The real server's login is not sent to the catcher, which uses no TLS.
        assert (settings.mail.smtp_tls, settings.mail.smtp_user) == ("none", "")
        assert settings.mail.smtp_password.get_secret_value() == ""


@pytest.mark.integration
def test_uncommenting_two_lines_mounts_a_folder_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / FILES[0]).read_text()
    text, count = re.subn(r"# (IMAGES_ROOT: |- \./images:)", r"\1", text)
    assert count == 2
    path = tmp_path / FILES[0]
    path.write_text(text)
    check(path)
    services = yaml.safe_load(text)["services"]
    settings = settings_in_container(services["service"]["environment"], monkeypatch)
    assert services["service"]["volumes"] == [DATA_DIR, f"./images:{settings.http.images_root}"]
    assert services["worker"]["volumes"] == [DATA_DIR]
    assert "IMAGES_ROOT" not in services["worker"]["environment"]
    assert compose(FILES[0])["services"]["service"]["volumes"] == [DATA_DIR]  # off by default


def test_ports_are_published_on_loopback_only() -> None:
    for name in (*FILES, MAIL):
        for service in compose(name)["services"].values():
            for port in service.get("ports", []):
                assert port.startswith("127.0.0.1:")


async def test_only_the_compose_file_accepts_requests_without_a_key(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its port is published on loopback; the image alone starts with a key, or not at all."""
    environment = compose(FILES[0])["services"]["service"]["environment"]
    find_key = store.api_keys.any_live
    await startup_check.check(settings_in_container(environment, monkeypatch), find_key)
    with pytest.raises(BadSettings, match="there is no API key"):
        await startup_check.check(
            settings_in_container(environment, monkeypatch, ALLOW_ANONYMOUS="0"), find_key
        )
    assert "ALLOW_ANONYMOUS" not in (ROOT / "Dockerfile").read_text()
    assert Settings().replace(host="0.0.0.0").api_keys_enabled


def test_dockerfile() -> None:
    steps = DockerfileParser(str(ROOT / "Dockerfile")).structure
    builder, image = (n for n, step in enumerate(steps) if step["instruction"] == "FROM")
    assert steps[builder]["value"] == f"{steps[image]['value']} AS packages"
    steps = steps[image:]
    order = [step["instruction"] for step in steps]
    values = {step["instruction"]: step["value"] for step in steps}
    values["RUN_1"] = next(step["value"] for step in steps if step["instruction"] == "RUN")
    assert values["FROM"].startswith("python:3.11-slim")
    assert values["USER"] == "10001"
    assert f"ARG VERSION={VERSION}\n" in (ROOT / "Dockerfile").read_text()
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", values["LABEL"]))
    assert labels == {"title", "description", "licenses", "version", "revision"}
    assert order.index("USER") > order.index("RUN")
    assert '"service", "health"' in values["HEALTHCHECK"]
    assert values["CMD"] == '["python", "-m", "service"]'
    environment = dict(re.findall(r"(\w+)=(\S+)", values["ENV"]))
    ours = {name for name in environment if not name.startswith("PYTHON")}
    assert ours - {"TMPDIR", "PATH"} <= SETTING_NAMES
    # The base image's stay: useradd is in /usr/sbin.
    assert environment["PATH"] == "/opt/packages/bin:$PATH"
    assert environment["DATA_DIR"] == DATA_DIR
    assert environment["TMPDIR"].startswith(f"{DATA_DIR}/")
    (user,) = re.findall(r"useradd (.*?) &&", " ".join(values["RUN_1"].split()))
    assert "--uid 10001" in user
    made = re.findall(r"install -d -o darkroom -g darkroom -m 700 (.*)", values["RUN_1"])
    assert made == [f"{DATA_DIR} {environment['TMPDIR']}"]  # or the volume would be root's
    copied = {s["value"].split()[0] for s in steps if s["instruction"] == "COPY"}
    assert "--from=packages" in copied
    copied = copied - {"--from=packages"} | {"locks/run.txt"}
    assert {"models", "service", "workers", "weights"} <= copied
    allowed = (ROOT / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} <= set(allowed)


def test_health_commands(darkroom: Any) -> None:
    mongo_url = embedded_mongo_url(darkroom.data_dir)
    stores = {"REDIS_URL": "redis://not-asked", "MONGO_URL": mongo_url}

    def health(program: str, **environment: str) -> int:
        command = [sys.executable, "-m", program, "health"]
        environment = {"PATH": "/usr/bin:/bin", **stores, **environment}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

    darkroom.until(lambda: health("service", PORT=str(darkroom.port)) == 0, "healthy")
    assert health("service", PORT="1") == 1
    darkroom.until(lambda: health("workers") == 0, "seen by its worker's heartbeat")
    assert health("workers", MONGO_DB="empty") == 1


def test_service_and_worker_have_the_same_memory_budget() -> None:
    services = compose(FILES[0])["services"]
    said = {services[name]["environment"]["MEMORY_BUDGET"] for name in ("service", "worker")}
    (value,) = said
    budget = int(re.sub(r"\$\{\w+:-(.*)\}", r"\1", value))
    assert services["worker"]["deploy"]["resources"]["limits"]["memory"] == "4g"
    assert 2 * 10**9 <= budget <= 4 * 1024**3 - 512 * 1024**2


@pytest.mark.parametrize("name", [*FILES, MAIL])
def test_containers_drop_unneeded_privileges(name: str) -> None:
    for called, service in compose(name)["services"].items():
        if set(service) == {"environment"}:
            continue  # the rest is the first file's
        assert service["cap_drop"] == ["ALL"], called
        assert "cap_add" not in service and "privileged" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] > 0
        if called != "mailpit":  # for trying things out; it writes outside its volumes
            assert service["read_only"] is True
            assert service["tmpfs"][0].startswith("/tmp:size=")
    for called, service in compose(name)["services"].items():
        if called in {"redis", "mongo"}:
            assert service["user"] == {"redis": "redis", "mongo": "mongodb"}[called]


def test_pictures_lie_on_a_volume_of_each_container() -> None:
    """In memory MAX_BATCH_BYTES would not fit; shared, workers would clear each other's scratch."""
    services = compose(FILES[0])["services"]
    limit = re.fullmatch(r"(\d+)g", services["service"]["deploy"]["resources"]["limits"]["memory"])
    settings = Settings()
    assert (
        limit
        and settings.uploads.max_batch_bytes + settings.uploads.min_free_disk_bytes
        > int(limit[1]) * 1024**3
    )
    for called in ("service", "worker"):
        # Without a name before it: a volume for each container.
        assert services[called]["volumes"] == [DATA_DIR]
    assert not any("darkroom" in name for name in compose(FILES[0])["volumes"])


def test_stores_are_on_an_internal_network() -> None:
    file = compose(FILES[0])
    assert file["networks"]["stores"] == {"internal": True}
    published = {name for name, each in file["services"].items() if "ports" in each}
    assert published == {"service"}
    for name in ("redis", "mongo"):
        assert file["services"][name]["networks"] == ["stores"]
    for name in ("service", "worker"):
        assert (
            set(file["services"][name]["networks"])
            == {"stores", "outside"}
            <= set(file["networks"])
        )
    assert compose(MAIL)["services"]["mailpit"]["networks"] == ["outside"]
