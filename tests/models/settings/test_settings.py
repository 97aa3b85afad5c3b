"""Settings are frozen, and env_example matches them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.errors import BadSettings
from models.settings import FIELDS, Settings
from models.settings.http import HttpSettings
from models.settings.worker import usable_cores
from tests.support.env_file import use_env_file
from tests.support.paths import ROOT


@pytest.mark.integration
def test_env_example_is_generated_from_the_settings() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "models", "env"], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "env_example").read_text() == printed
    for name, field in FIELDS.items():
        assert f"\n{name.upper()}=" in printed
        assert field.description
        assert field.description in printed


def test_env_example_as_env_file_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    use_env_file(monkeypatch, ROOT / "env_example")
    from_file = Settings()
    use_env_file(monkeypatch, None)
    assert from_file == Settings()


def test_environment_overrides_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9123")
    monkeypatch.setenv("MAX_PIXELS", "10")
    assert (Settings().http.port, Settings().uploads.max_pixels) == (9123, 10)


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.http.port = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        settings.http = HttpSettings()  # type: ignore[misc]


def test_a_copy_has_other_values_in_their_groups() -> None:
    settings = Settings()
    changed = settings.replace(port=1, max_pixels=5)
    assert (changed.http.port, changed.uploads.max_pixels) == (1, 5)
    assert changed.stores is settings.stores and settings.http.port == 8080
    differing = {
        name for name, value in settings.values().items() if changed.values()[name] != value
    }
    assert differing == {"port", "max_pixels"}
    with pytest.raises(KeyError):
        settings.replace(no_such_setting=1)
    with pytest.raises(ValidationError):
        settings.replace(port=70_000)


def test_problems_of_all_groups_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    monkeypatch.setenv("MAX_PIXELS", "0")
    with pytest.raises(BadSettings, match="PORT='70000': .*; MAX_PIXELS='0': "):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("MAX_PIXELS", "0"), ("WORKERS", "no")]
)
def test_invalid_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_removed_setting_that_protected_something_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADMIN_TOKEN", "")
    Settings.load()
    monkeypatch.setenv("ADMIN_TOKEN", "correct-horse-battery")
    with pytest.raises(BadSettings, match="keys create NAME --scopes admin") as refusal:
        Settings.load()
    assert "correct-horse" not in str(refusal.value)
    monkeypatch.delenv("ADMIN_TOKEN")
    (tmp_path / ".env").write_text("ADMIN_TOKEN=correct-horse-battery\n")
    use_env_file(monkeypatch, tmp_path / ".env")
    with pytest.raises(BadSettings, match="ADMIN_TOKEN is no longer used"):
        Settings.load()


def test_store_urls_are_required() -> None:
    with pytest.raises(BadSettings, match="REDIS_URL and MONGO_URL"):
        Settings().require_stores()
    with pytest.raises(BadSettings, match="^MONGO_URL must"):
        Settings().replace(redis_url="redis://r").require_stores()


@pytest.mark.integration
def test_programs_refuse_to_start_without_stores() -> None:
    for program in ("service", "workers"):
        done = subprocess.run(
            [sys.executable, "-m", program], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 2
        assert "MONGO_URL" in done.stderr
        assert "Traceback" not in done.stderr


def test_child_processes_are_cores_divided_by_workers() -> None:
    assert Settings().replace(workers=1).worker.child_processes == usable_cores()
    assert Settings().replace(workers=usable_cores() * 2).worker.child_processes == 1
    assert Settings().replace(worker_processes=7).worker.child_processes == 7


def test_input_formats_are_named_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Settings().uploads
    assert (uploads.input_formats, uploads.accepted_formats) == ("png,jpeg", ("png", "jpeg"))
    named = Settings().replace(input_formats=" TIFF, heic,png ").uploads
    assert named.accepted_formats == ("png", "tiff", "heic")
    for value in ("png,psd", ","):
        monkeypatch.setenv("INPUT_FORMATS", value)
        with pytest.raises(BadSettings, match="INPUT_FORMATS=.*write formats of png, jpeg, webp"):
            Settings.load()


def test_heic_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.images.inspect.find_spec", lambda _: None)
    monkeypatch.setenv("INPUT_FORMATS", "png,heic")
    with pytest.raises(BadSettings, match="pi-heif: .*pip install .* -r locks/heic.txt"):
        Settings.load()
    monkeypatch.setenv("INPUT_FORMATS", "png,tiff")
    assert Settings.load().uploads.accepted_formats == ("png", "tiff")
