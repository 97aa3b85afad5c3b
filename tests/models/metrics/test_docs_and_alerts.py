"""docs/metrics.md, alerts and dashboard agree with the code and are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.__main__ import markdown_table
from models.error_members import INPUT_ERRORS
from models.metrics.definitions import METRICS
from models.metrics.metric import MetricKind
from models.settings import FIELDS, Settings
from service import metrics_collector
from tests.support.paths import ROOT
from tests.support.prometheus_text import promtool

PAGE = (ROOT / "docs" / "metrics.md").read_text()
ALERTS = ROOT / "docs" / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "darkroom.json").read_text())


def test_page_has_the_generated_table() -> None:
    assert PAGE.endswith("\n\n" + markdown_table())


def test_page_refers_only_to_existing_settings_files_and_metrics() -> None:
    for name in re.findall(r"`([A-Z][A-Z_]+)(?:=\w+)?`", PAGE):
        assert name.lower() in FIELDS, name
    for path in re.findall(r"`(docs/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(darkroom_\w+)`", PAGE):
        assert name in {metric.name for metric in METRICS}, name


def test_scrape_configuration_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (job,) = yaml.safe_load(text)["scrape_configs"]
    timeout = float(job["scrape_timeout"].removesuffix("s"))
    assert timeout > Settings().stores.store_timeout
    assert timeout < metrics_collector._RETENTION_SECONDS
    assert f'job="{job["job_name"]}"' in ALERTS.read_text()


def test_metrics_follow_the_naming_conventions() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"darkroom_[a-z][a-z_]*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is MetricKind.HISTOGRAM)
        assert metric.help.endswith(".") and "|" not in metric.help
        assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.integration
def test_alert_rules_pass_promtool() -> None:
    checked = promtool("check", "rules", str(ALERTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", str(ALERTS.with_name("alerts_test.yml")))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_failure_alert_excludes_input_errors() -> None:
    (codes,) = re.findall(r'task_failures_total\{code!~"([\w|]+)"\}', ALERTS.read_text())
    assert set(codes.split("|")) == INPUT_ERRORS


def test_every_alert_is_tested() -> None:
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    tests = yaml.safe_load(ALERTS.with_name("alerts_test.yml").read_text())["tests"]
    fired = {t["alertname"] for test in tests for t in test["alert_rule_test"] if t["exp_alerts"]}
    assert {rule["alert"] for rule in rules} == fired


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_dashboard_layout_is_valid() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {
        "datasource",
        "job",
    }
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not mine & places, panel["title"]
        places |= mine
    for panel in panels():
        assert panel["title"]
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.integration
def test_dashboard_queries_are_valid(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    assert all('job="$job"' in query for query in queries)
    plain = [
        query.replace("$__rate_interval", "5m").replace("$job", "darkroom") for query in queries
    ]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(plain)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules" in done.stdout


def test_every_metric_has_a_panel() -> None:
    asked = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    assert [metric.name for metric in METRICS if metric.name not in asked] == []
