"""All settings of Darkroom: one frozen object, read once at an entry point and passed down.

Each module here is a section of ``env_example``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import BadSettings
from models.images.encoder_settings import EncoderSettings
from models.loopback import is_loopback
from models.networks.catalogue import FETCHED_DIR
from models.settings.auth import AuthSettings
from models.settings.deployment import DeploymentSettings
from models.settings.encoding import EncodingSettings
from models.settings.http import HttpSettings
from models.settings.limits import LimitSettings
from models.settings.log import LogSettings
from models.settings.mail import MailSettings
from models.settings.metrics import MetricsSettings
from models.settings.removed import REFUSED, removed_settings
from models.settings.retention import RetentionSettings
from models.settings.timeouts_and_cache import TimeoutAndCacheSettings
from models.settings.uploads import UploadSettings
from models.settings.webhooks import WebhookSettings
from models.settings.worker import WorkerSettings

SECTIONS: tuple[type[BaseSettings], ...] = (
    DeploymentSettings,
    HttpSettings,
    AuthSettings,
    LimitSettings,
    UploadSettings,
    TimeoutAndCacheSettings,
    WorkerSettings,
    RetentionSettings,
    EncodingSettings,
    MailSettings,
    WebhookSettings,
    MetricsSettings,
    LogSettings,
)


class Settings(
    LogSettings,
    MetricsSettings,
    WebhookSettings,
    MailSettings,
    EncodingSettings,
    RetentionSettings,
    WorkerSettings,
    TimeoutAndCacheSettings,
    UploadSettings,
    LimitSettings,
    AuthSettings,
    HttpSettings,
    DeploymentSettings,
):
    """All environment variables of Darkroom with their defaults; their names are in upper case.

    ``python -m models env`` prints ``env_example`` from the fields and their descriptions.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    @field_validator(
        "weights_dir", "log_file", "images_root", "smtp_ca_file", "webhook_ca_file", mode="before"
    )
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment and ``.env``.

        Raises:
            BadSettings: a value is invalid, or a setting was removed; the error says which and why.
        """
        for name in removed_settings(cls.model_config.get("env_file")):
            if name in REFUSED:
                raise BadSettings(f"{name} is no longer used: {REFUSED[name]}")
        try:
            return cls()
        except ValidationError as error:
            problems = [_problem(str(p["loc"][0]), p["input"], p["msg"]) for p in error.errors()]
            raise BadSettings("; ".join(problems)) from None

    @property
    def api_keys_enabled(self) -> bool:
        """Whether requests need a key: API_KEYS; auto: unless HOST is loopback."""
        auto = self.api_keys == "auto" and not is_loopback(self.host)
        return self.api_keys == "on" or auto

    @property
    def rate_limits_enabled(self) -> bool:
        """Whether rate limits apply: RATE_LIMITS; auto: unless only this machine has access."""
        reachable = self.api_keys_enabled or not is_loopback(self.host)
        return self.rate_limits == "on" or (self.rate_limits == "auto" and reachable)

    @property
    def child_processes(self) -> int:
        """Number of child processes of one worker: WORKER_PROCESSES, or the cores over WORKERS."""
        return self.worker_processes or max(1, usable_cores() // self.workers)

    @property
    def onnx_enabled(self) -> bool:
        """Whether ONNX networks can run: not if UPSCALE_ENGINE is opencv."""
        return self.upscale_engine != "opencv"

    @property
    def encoder_settings(self) -> EncoderSettings:
        """Encoder settings of results."""
        return EncoderSettings(
            png_level=self.png_level,
            jpeg_quality=self.jpeg_quality,
            jpeg_subsampling=self.jpeg_subsampling,
            webp_quality=self.webp_quality,
        )

    @property
    def networks_dir(self) -> Path:
        """Folder of networks beside the bundled ones: WEIGHTS_DIR, or FETCHED_DIR."""
        return self.weights_dir or FETCHED_DIR

    @property
    def base_url(self) -> str:
        """URL of the service without a trailing slash: PUBLIC_URL, or http://localhost:PORT."""
        return self.public_url.rstrip("/") or f"http://localhost:{self.port}"

    def require_folders(self) -> Self:
        """Return self if the folders of the service exist.

        Raises:
            BadSettings: IMAGES_ROOT is not a folder.
        """
        if self.images_root is not None and not self.images_root.is_dir():
            raise BadSettings(f"IMAGES_ROOT={self.images_root} is not a folder on this machine")
        return self

    def require_stores(self) -> Self:
        """Return self if both stores are set.

        Raises:
            BadSettings: REDIS_URL or MONGO_URL is empty.
        """
        missing = [n for n in ("REDIS_URL", "MONGO_URL") if not getattr(self, n.lower())]
        if missing:
            raise BadSettings(
                f"{' and '.join(missing)} must be set (make run starts embedded stores)"
            )
        return self


def _problem(name: str, value: object, message: str) -> str:
    secret = Settings.model_fields[name].annotation is SecretStr
    return f"{name.upper()}={'(not shown)' if secret else repr(value)}: {message}"


def usable_cores() -> int:
    """Return the number of cores this process may use, by its affinity and container quota."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return allowed


def env_example() -> str:
    """Return the text of ``env_example``: all variables, descriptions and defaults."""
    lines = [
        "# All settings of Darkroom with their defaults. Copy to .env, or set in the environment.",
        "# Written by `python -m models env > env_example`; a test compares it with the code.",
    ]
    for section in SECTIONS:
        lines += ["", f"### {section.__doc__}"]
        for name, field in section.model_fields.items():
            default = "" if field.default is None else field.default
            lines += ["", f"# {field.description}", f"{name.upper()}={default}"]
    return "\n".join(lines) + "\n"
