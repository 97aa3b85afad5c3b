"""A client that openapi-python-client makes of /openapi.json: without a warning, and it works."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support import images

pytest.importorskip("openapi_python_client", reason="installed by `make test`: locks/dev.txt")
pytestmark = pytest.mark.integration
NAME = "darkroom_generated"


class Generated:
    """The modules of the generated package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, module: str) -> Any:
        return importlib.import_module(f"{NAME}.{module}")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """Generate the client as its users do; any warning fails."""
    folder = tmp_path_factory.mktemp("generated")
    service = [sys.executable, "-m", "service", "openapi"]
    document = folder / "openapi.json"
    document.write_bytes(subprocess.run(service, check=True, capture_output=True).stdout)
    config = folder / "config.json"
    config.write_text(json.dumps({"post_hooks": []}))  # formatting it takes the longest
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", str(document), "--config", str(config)),
            *("--output-path", str(folder / NAME), "--fail-on-warning"),
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[:3000]
    assert "warning" not in said.lower(), said[:3000]
    sys.path.insert(0, str(folder))
    try:
        yield Generated(folder / NAME)
    finally:
        sys.path.remove(str(folder))
        for name in [each for each in sys.modules if each.partition(".")[0] == NAME]:
            del sys.modules[name]


def test_every_call_and_every_error_answer_is_there(generated: Generated) -> None:
    document = json.loads((generated.folder.parent / "openapi.json").read_text())
    checked = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            (found,) = generated.folder.glob(f"api/*/{operation['operationId'].lower()}.py")
            text = found.read_text()
            for status, response in operation["responses"].items():
                assert f"response.status_code == {status}" in text, (found, status)
                problem = "application/problem+json" in response.get("content", {})
                if problem and len(response["content"]) == 1:
                    assert f"response_{status} = Problem.from_dict" in text, (found, status)
                    checked += 1
    assert checked > 300


async def test_it_works_on_the_service(generated: Generated, client: Any, worker: Any) -> None:
    models, types = generated("models"), generated("types")
    put = generated("api.pictures.put_upscale")
    post = generated("api.pictures.post_upscale")
    tasks = generated("api.tasks.get_tasks_id")
    processed = generated("api.results.get_processed_name")
    async with generated("client").Client(base_url=str(client.make_url("/"))[:-1]) as api:
        alive = await generated("api.service.get_healthz").asyncio(client=api)
        assert alive.status == "alive"
        picture = types.File(payload=BytesIO(images.png(20, 12)), file_name="cat.png")
        form = models.PostUpscaleFilesBody(
            image=[picture],
            scale=models.PostUpscaleFilesBodyScale.VALUE_3,
            quality=models.PostUpscaleFilesBodyQualityType0.FAST,
            email="ann@example.org",
        )
        task = await post.asyncio(client=api, body=form, wait=60.5)
        assert isinstance(task, models.TaskBody)
        assert (task.status, task.name) == (models.Status.SUCCESS, "cat.png")
        (result,) = task.results
        assert (result.width, result.height) == (60, 36)
        again = await tasks.asyncio(task.task_id, client=api)
        assert again.finished_at == task.finished_at
        file = await processed.asyncio(result.name, client=api)
        assert len(file.payload.read()) == result.bytes_
        raw = types.File(payload=BytesIO(images.png(9, 9, seed=3)).read())
        small = await put.asyncio(client=api, body=raw, filename="dog.png", wait=60)
        assert (small.status, small.results[0].width) == (models.Status.SUCCESS, 18)

        missing = await tasks.asyncio("0" * 32, client=api)
        assert isinstance(missing, models.Problem)
        assert (missing.status, missing.code) == (404, "not_found")
        broken = types.File(payload=BytesIO(b"no picture"), file_name="a.png")
        refused = await post.asyncio(client=api, body=models.PostUpscaleFilesBody(image=[broken]))
        assert isinstance(refused, models.Problem)
        assert (refused.status, refused.code) == (415, "unsupported_format")
        assert refused.accepted == ["png", "jpeg"]
        wrong = await put.asyncio(client=api, body=raw, model="nothing-of-the-kind")
        assert (wrong.code, wrong.parameter) == ("bad_parameter", "model")
        assert "darkroom-fast" in wrong.known


def test_the_scales_are_those_there_are_networks_for(generated: Generated) -> None:
    scales = generated("models").PostUpscaleFilesBodyScale
    assert [each.value for each in scales] == [2, 3, 4]
