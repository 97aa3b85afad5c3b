"""The Helm chart, rendered by Helm: valid by Kubernetes' schemas, confined. No cluster runs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from docs.generate import chart
from models import VERSION
from models.settings import FIELDS, Settings
from tests.support.paths import ROOT
from tests.support.render_chart import NAMESPACE, RELEASE

CHART = ROOT / "deploy" / "chart"
NAME = f"{RELEASE}-darkroom"
SETTING_NAMES = {name.upper() for name in FIELDS}
URLS = {"MONGO_URL": "mongodb://db1/?replicaSet=darkroom", "REDIS_URL": "rediss://:hush@redis1/0"}
OWN_STORES = {"secrets": {**URLS, "SECRET_KEY": "k" * 32}}
EVERYTHING: dict[str, Any] = {
    "stores": {"embedded": True},
    "config": {"DRAIN_SECONDS": 300, "SHUTDOWN_TIMEOUT": "40", "RESULT_TTL": 2592000},
    "autoscaling": {"enabled": True, "prometheus": "http://prometheus:9090"},
    "serviceMonitor": {"enabled": True, "keySecret": {"name": "darkroom-key"}},
    "ingress": {"enabled": True, "host": "pictures.example.org", "tlsSecret": "tls"},
    "networkPolicy": {"mailPorts": [587]},
    "nodeSelector": {"disk": "ssd"},
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "no stores: set existingSecret"),
    ({"secrets": {"MONGO_URL": URLS["MONGO_URL"]}}, "no stores"),
    ({**OWN_STORES, "existingSecret": "mine"}, "existingSecret and secrets are both set"),
    ({**OWN_STORES, "stores": {"embedded": True}}, "choose one"),
    ({**OWN_STORES, "config": {"SECRET_KEY": "k" * 32}}, "config.SECRET_KEY"),
    ({**OWN_STORES, "config": {"DATA_DIR": "/"}}, "config.DATA_DIR"),
    ({**OWN_STORES, "autoscaling": {"enabled": True}}, "the address of Prometheus is missing"),
    ({**OWN_STORES, "ingress": {"enabled": True}}, "ingress.host: the name"),
    # By values.schema.json.
    ({**OWN_STORES, "worker": {"replica": 2}}, "replica"),
    ({**OWN_STORES, "worker": {"replicas": 0}}, "minimum"),
    ({**OWN_STORES, "autoscaling": {"minReplicas": 0}}, "minimum"),
    ({**OWN_STORES, "config": {"RESULT_TLL": 60}}, "'/config': additional properties 'RESULT_TLL'"),
    ({"secrets": {**URLS, "SECRETKEY": "k" * 32}}, "additional properties 'SECRETKEY' not allowed"),
    ({**OWN_STORES, "config": {"RESULT_TTL": [60]}}, "'/config/RESULT_TTL': got array, want"),
    ({**OWN_STORES, "networkPolicy": {"webPorts": [0]}}, "webPorts"),
]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        importlib.util.find_spec("helm_python") is None, reason="no Helm on this machine"
    ),
]

Manifests = dict[tuple[str, str], Any]
"""By kind and name."""


def documented_values() -> Any:
    page = (ROOT / "docs" / "deployment.md").read_text()
    return yaml.safe_load(
        page.partition("# my-values.yaml;")[2].partition("\n")[2].partition("```")[0]
    )


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    """With own stores, the values of the docs, with all there is; then what is refused."""
    values = [OWN_STORES, documented_values(), EVERYTHING, *(each for each, _ in REFUSED)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.render_chart", str(CHART)],
        cwd=ROOT,
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def manifests(rendering: dict[str, Any]) -> Manifests:
    documents = [
        document
        for file, text in rendering["manifests"].items()
        if not file.endswith(".txt")
        for document in yaml.load_all(text, yaml.CSafeLoader)
        if document
    ]
    found = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert len(found) == len(documents)
    return found


@pytest.fixture(scope="module")
def plain(rendered: list[dict[str, Any]]) -> Manifests:
    return manifests(rendered[0])


@pytest.fixture(scope="module")
def everything(rendered: list[dict[str, Any]]) -> Manifests:
    return manifests(rendered[2])


def pods(found: Manifests) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, labels and spec of each pod."""
    for (kind, name), each in found.items():
        if kind in {"Deployment", "StatefulSet"}:
            template = each["spec"]["template"]
            yield name, template["metadata"]["labels"], template["spec"]


def chosen(selector: dict[str, Any], found: Manifests) -> set[str]:
    """Return the names of the pods that a selector takes."""
    wanted = selector.get("matchLabels", {}).items()
    rules = selector.get("matchExpressions", [])
    return {
        name
        for name, labels, _ in pods(found)
        if wanted <= labels.items() and all(labels.get(r["key"]) in r["values"] for r in rules)
    }


def environment(found: Manifests, container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container, of ConfigMap and Secret too."""
    values: dict[str, str] = {}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            values |= found["ConfigMap", source["configMapRef"]["name"]]["data"]
        else:
            values |= found["Secret", source["secretRef"]["name"]]["stringData"]
    assert all(isinstance(value, str) for value in values.values())
    return values | {each["name"]: each["value"] for each in container["env"]}


@pytest.mark.parametrize("version", ["1.27", "1.37"])
def test_valid_by_the_schemas_of_kubernetes(
    rendered: list[dict[str, Any]], everything: Manifests, version: str
) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    kinds = set()
    for (kind, _), each in everything.items():
        if kind in {"ScaledObject", "ServiceMonitor"}:  # of KEDA and the Prometheus operator
            continue
        validator.validate(each, version, strict=True)
        kinds.add(kind)
    assert len(kinds) == 7, kinds
    assert [each["lint"] for each in rendered[:3]] == [[], [], []]
    broken = json.loads(json.dumps(everything["Deployment", f"{NAME}-worker"]))
    broken["spec"]["template"]["spec"]["containers"][0]["resources"]["limit"] = {}
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, version, strict=True)


def test_the_schema_has_the_settings_of_today() -> None:
    text = (CHART / "values.schema.json").read_text()
    assert text == chart.values_schema(text), "run python -m docs"
    properties = json.loads(text)["properties"]
    assert {*properties["config"]["properties"]} == SETTING_NAMES
    assert properties["config"]["additionalProperties"] is False


def test_refused_values(rendered: list[dict[str, Any]]) -> None:
    for (values, said), each in zip(REFUSED, rendered[3:], strict=True):
        assert said in each.get("error", ""), (values, each)


def test_every_pod_is_confined(everything: Manifests) -> None:
    """What Kubernetes calls `restricted`, and a root without writing."""
    names = {name for name, _, _ in pods(everything)}
    assert names == {f"{NAME}-{each}" for each in ("service", "worker", "mongo", "redis")}
    for name, _, pod in pods(everything):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        resources = container["resources"]
        assert resources["limits"]["memory"] and resources["requests"]["cpu"]
        assert container["readinessProbe"] and container["livenessProbe"]
        claims = everything.get(("StatefulSet", name), {"spec": {}})["spec"]
        volumes = {each["name"] for each in pod.get("volumes", [])} | {
            each["metadata"]["name"] for each in claims.get("volumeClaimTemplates", [])
        }
        mounts = {each["name"] for each in container["volumeMounts"]}
        assert mounts == volumes
        for volume in pod.get("volumes", []):
            assert volume["emptyDir"]["sizeLimit"], "a pod must not fill the disk of its node"


def test_the_programs_get_valid_settings(
    plain: Manifests, everything: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {f"{NAME}-{each}" for each in ("service", "worker")}
    for found in (plain, everything):
        for name, _, pod in pods(found):
            if name not in own:
                continue
            (container,) = pod["containers"]
            values = environment(found, container)
            assert set(values) - {"TMPDIR"} <= SETTING_NAMES
            assert pod["securityContext"]["runAsUser"] == 10001  # as the Dockerfile has it
            assert container["image"] == f"darkroom:{VERSION}"
            places = {each["mountPath"] for each in container["volumeMounts"]}
            assert places == {values["DATA_DIR"], values["TMPDIR"]}
            with monkeypatch.context() as patch:
                for key, value in values.items():
                    patch.setenv(key, value)
                settings = Settings.load().require_stores()
            # Memory of a worker's container, said to the service too.
            assert settings.worker.memory_budget == 3_000_000_000
            if found is plain:
                assert settings.stores.mongo_url == URLS["MONGO_URL"]
                assert settings.auth.secret_key.get_secret_value() == "k" * 32
            else:
                assert (settings.http.proxies, settings.retention.result_ttl) == (1, 2592000)
                assert settings.http.public_url == "https://pictures.example.org"
                host = f"{NAME}-mongo-0.{NAME}-mongo:27017"
                assert settings.stores.mongo_url == f"mongodb://{host}/?replicaSet=darkroom"
                assert host in json.dumps(found["StatefulSet", f"{NAME}-mongo"])
                assert f"redis://{NAME}-redis:6379/0" == settings.stores.redis_url
            # More time than the programs take to stop; else they are killed.
            takes = {
                "worker": settings.worker.drain_seconds,
                "service": settings.http.shutdown_timeout + 5,  # preStop
            }[container["name"]]
            assert takes + 10 <= pod["terminationGracePeriodSeconds"]
            size = {each["name"]: each["emptyDir"]["sizeLimit"] for each in pod["volumes"]}
            if container["name"] == "service":
                least = settings.uploads.max_spool_bytes + settings.uploads.min_free_disk_bytes
                assert int(size["scratch"].removesuffix("Gi")) * 1024**3 > least


def test_a_secret_of_ones_own_is_used_and_none_is_made(rendered: list[dict[str, Any]]) -> None:
    found = manifests(rendered[1])
    assert not [name for kind, name in found if kind == "Secret"]
    name = documented_values()["existingSecret"]
    for _, _, pod in pods(found):
        assert {"secretRef": {"name": name}} in pod["containers"][0]["envFrom"]
    (stores,) = documented_values()["networkPolicy"]["stores"]
    assert found["NetworkPolicy", f"{NAME}-worker"]["spec"]["egress"][1]["to"] == [stores]


def test_probes_and_commands(everything: Manifests) -> None:
    specs = {
        name.removeprefix(f"{NAME}-"): pod["containers"][0] for name, _, pod in pods(everything)
    }
    service, worker = specs["service"], specs["worker"]
    assert service["command"] == ["python", "-m", "service"]
    assert worker["command"] == ["python", "-m", "workers"]
    assert service["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert service["readinessProbe"]["httpGet"]["path"] == "/readyz"
    (port,) = service["ports"]
    assert port == {"name": "http", "containerPort": 8080}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert worker[probe]["exec"]["command"] == ["python", "-m", "workers", "health"]


def test_selectors_find_their_pods(everything: Manifests) -> None:
    for kind, name in everything:
        spec = everything[kind, name].get("spec", {})
        if kind in {"Deployment", "StatefulSet"}:
            assert chosen(spec["selector"], everything) == {name}
        if kind == "PodDisruptionBudget":
            assert chosen(spec["selector"], everything) == {name}
            assert spec["maxUnavailable"] == 1  # minAvailable: 1 would block a drain of one replica
        if kind == "Service":
            part = name.removeprefix(NAME).removeprefix("-") or "service"
            assert chosen({"matchLabels": spec["selector"]}, everything) == {f"{NAME}-{part}"}
    (rule,) = everything["Ingress", NAME]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert ("Service", backend["name"]) in everything


def test_networks(plain: Manifests, everything: Manifests) -> None:
    policies = {
        name.removeprefix(f"{NAME}-"): each["spec"]
        for (kind, name), each in everything.items()
        if kind == "NetworkPolicy"
    }
    covered = [chosen(each["podSelector"], everything) for each in policies.values()]
    assert set().union(*covered) == {name for name, _, _ in pods(everything)}
    assert all(each["policyTypes"] == ["Ingress", "Egress"] for each in policies.values())
    assert "ingress" not in policies["worker"]  # a worker accepts no connection
    (rule,) = policies["stores"]["ingress"]
    (peer,) = rule["from"]
    assert chosen(peer["podSelector"], everything) == {
        f"{NAME}-{each}" for each in ("service", "worker", "mongo")
    }
    for name in ("service", "worker"):
        (web,) = [each for each in policies[name]["egress"] if {"port": 443} in each["ports"]]
        (ipv4, _) = (each["ipBlock"] for each in web["to"])
        assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(ipv4["except"])
        mail = [each for each in policies[name]["egress"] if {"port": 587} in each["ports"]]
        assert bool(mail) is (name == "worker")
    stores = plain["NetworkPolicy", f"{NAME}-worker"]["spec"]["egress"][1]
    assert stores == {"ports": [{"port": 27017}, {"port": 6379}]}


def test_workers_follow_the_queue(plain: Manifests, everything: Manifests) -> None:
    scaled = everything["ScaledObject", f"{NAME}-worker"]["spec"]
    target = everything["Deployment", scaled["scaleTargetRef"]["name"]]["spec"]
    assert "replicas" not in target  # else each upgrade of the release would undo KEDA's number
    assert plain["Deployment", f"{NAME}-worker"]["spec"]["replicas"] == 1
    (trigger,) = scaled["triggers"]
    query = trigger["metadata"]["query"]
    documented = (ROOT / "docs" / "metrics.md").read_text()
    for metric in ("darkroom_tasks_waiting", "darkroom_tasks_running"):
        assert f'max({metric}{{namespace="{NAMESPACE}"}})' in query
        assert f"| `{metric}` | gauge |" in documented
    assert isinstance(trigger["metadata"]["threshold"], str)  # KEDA takes strings only
    monitor = everything["ServiceMonitor", NAME]
    labels = everything["Service", NAME]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["spec"]["jobLabel"]] == "darkroom"  # as the alerts have it
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "darkroom-key", "key": "key"}


def test_what_is_said_after_an_installation(rendered: list[dict[str, Any]]) -> None:
    notes = rendered[0]["manifests"]["darkroom/templates/NOTES.txt"]
    assert f"exec deploy/{NAME}-worker -- python -m service keys create NAME" in notes
    assert (
        "https://pictures.example.org" in rendered[2]["manifests"]["darkroom/templates/NOTES.txt"]
    )


def test_the_version_is_that_of_the_product() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VERSION
