"""``python -m tests.support.render_chart CHART`` renders a chart as `helm template` does.

A process of its own, since Helm's library brings Go's runtime, with threads and signal handlers.
Reads a JSON list of values; writes for each ``{"manifests": {file: text}, "lint": [text]}``, the
second by ``helm lint --strict``, or ``{"error": text}``.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

RELEASE, NAMESPACE = "trial", "pictures"


def lint(helm: Any, chart: Path, values: Any) -> list[str]:
    """Return the warnings and errors of ``helm lint --strict``."""
    told = helm.lint(chart, values, strict=True, namespace=NAMESPACE)
    return [each["error"] for each in told["messages"] if each["severity"] > 1]  # 1: a hint


def render(helm: Any, folder: Path, chart: Any, values: Any) -> dict[str, Any]:
    """Return the manifests by template and what lint says, or why there are none."""
    try:
        manifests = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    except helm.HelmError as error:
        return {"error": str(error)}
    return {"manifests": manifests, "lint": lint(helm, folder, values)}


def main() -> None:
    """Render the chart with each of the values."""
    helm = import_module("helm_python")
    folder = Path(sys.argv[1])
    with helm.Chart.load(folder) as chart:
        found = [render(helm, folder, chart, values) for values in json.load(sys.stdin)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
