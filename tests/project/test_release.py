"""The workflow of a release: valid by its schema, and what it may do. It never ran."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from models import VERSION
from tests.support.paths import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


@pytest.fixture(scope="module")
def workflow() -> Any:
    return yaml.load(WORKFLOW.read_text(), yaml.BaseLoader)  # "on" stays a word


def steps(workflow: Any, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow["jobs"][job]["steps"]
    return found


@pytest.mark.integration
def test_valid_by_the_schema_of_workflows() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.github-workflows", str(WORKFLOW)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_nothing_is_published_without_the_tests(workflow: Any) -> None:
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    assert workflow["jobs"]["publish"]["needs"] == "test"
    assert ".ci/run" in [step.get("run") for step in steps(workflow, "test")]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_it_may_do_no_more_than_it_must(workflow: Any) -> None:
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["test"]["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["publish"]["permissions"] == {"contents": "read", "id-token": "write"}
    for job in workflow["jobs"]:
        for step in steps(workflow, job):
            if "uses" in step:  # a tag can be moved, a commit cannot
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
            assert "${{" not in step.get("run", "")  # text of others would be run by the shell
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false"


@pytest.mark.integration
def test_the_tag_must_be_the_version(workflow: Any) -> None:
    (script,) = [s["run"] for s in steps(workflow, "publish") if s.get("id") == "version"]
    for tag, status in ((f"v{VERSION}", 0), ("v99.0.0", 1)):
        environment = {
            "PATH": "/usr/bin:/bin",
            "GITHUB_REF_NAME": tag,
            "GITHUB_OUTPUT": "/dev/stdout",
        }
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert done.stdout == (f"version={VERSION}\n" if status == 0 else "")


def test_both_platforms_are_built_signed_and_described(workflow: Any) -> None:
    (build,) = [s["with"] for s in steps(workflow, "publish") if s.get("id") == "build"]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["sbom"], build["provenance"]) == ("true", "mode=max")
    arguments = dict(line.split("=", 1) for line in build["build-args"].split("\n") if line)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert set(arguments) == set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    scripts = "\n".join(step.get("run", "") for step in steps(workflow, "publish"))
    assert "cosign sign --yes --recursive" in scripts
    assert "cyclonedx-py requirements locks/run.txt" in scripts
