"""All settings of Darkroom: one frozen object, read once at an entry point and passed down.

Each module here is a section of ``env_example``; a setting belongs to the one it is about.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import BadSettings
from models.images.encoder_settings import Writing
from models.loopback import is_loopback
from models.networks.catalogue import FETCHED
from models.settings.auth import Access
from models.settings.dashboard import Admin
from models.settings.deployment import Place
from models.settings.encoding import Results
from models.settings.http import Http
from models.settings.log import Logs
from models.settings.mail import Mail
from models.settings.metrics import Measures
from models.settings.responses import Answers
from models.settings.retention import Keeping
from models.settings.sse import Events
from models.settings.uploads import Intake
from models.settings.webhooks import Webhooks
from models.settings.worker import Work

SECTIONS: tuple[type[BaseSettings], ...] = (
    Place,
    Http,
    Access,
    Intake,
    Answers,
    Events,
    Work,
    Keeping,
    Results,
    Mail,
    Webhooks,
    Measures,
    Admin,
    Logs,
)


class Settings(
    Logs,
    Admin,
    Measures,
    Webhooks,
    Mail,
    Results,
    Keeping,
    Work,
    Events,
    Answers,
    Intake,
    Access,
    Http,
    Place,
):
    """Every variable of the environment that Darkroom reads, upper case, with its default.

    The descriptions are the reasons; ``python -m models env`` prints ``env_example`` from them.
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
            BadSettings: a value is not one that its setting takes; says which and why.
        """
        try:
            return cls()
        except ValidationError as error:
            problems = [_problem(str(p["loc"][0]), p["input"], p["msg"]) for p in error.errors()]
            raise BadSettings("; ".join(problems)) from None

    @property
    def keys_on(self) -> bool:
        """Whether calls need a key: as API_KEYS says, or unless HOST is loopback."""
        auto = self.api_keys == "auto" and not is_loopback(self.host)
        return self.api_keys == "on" or auto

    @property
    def rates_on(self) -> bool:
        """Whether calls are counted: as RATE_LIMITS says, or where others may come in."""
        open_ = self.keys_on or not is_loopback(self.host)
        return self.rate_limits == "on" or (self.rate_limits == "auto" and open_)

    @property
    def children(self) -> int:
        """Child processes of one worker: WORKER_PROCESSES, or the cores divided by WORKERS."""
        return self.worker_processes or max(1, cores() // self.workers)

    @property
    def onnx(self) -> bool:
        """Whether networks in ONNX may be at hand: OpenCV, asked for by name, runs none."""
        return self.upscale_engine != "opencv"

    @property
    def writing(self) -> Writing:
        """How results are written."""
        return Writing(
            png_level=self.png_level,
            jpeg_quality=self.jpeg_quality,
            jpeg_subsampling=self.jpeg_subsampling,
            webp_quality=self.webp_quality,
        )

    @property
    def networks(self) -> Path:
        """Folder with networks beside the bundled one: WEIGHTS_DIR, or where they are fetched."""
        return self.weights_dir or FETCHED

    @property
    def url(self) -> str:
        """Where people reach the service: PUBLIC_URL, or this machine; without a slash."""
        return self.public_url.rstrip("/") or f"http://localhost:{self.port}"

    def with_folders(self) -> Self:
        """Return self if the folders that the service works in are there.

        Raises:
            BadSettings: IMAGES_ROOT is no folder.
        """
        if self.images_root is not None and not self.images_root.is_dir():
            raise BadSettings(f"IMAGES_ROOT={self.images_root} is no folder on this machine")
        return self

    def with_stores(self) -> Self:
        """Return self if both stores are named.

        Raises:
            BadSettings: REDIS_URL or MONGO_URL is empty.
        """
        missing = [n for n in ("REDIS_URL", "MONGO_URL") if not getattr(self, n.lower())]
        if missing:
            raise BadSettings(
                f"{' and '.join(missing)} must be set (make run starts embedded stores by itself)"
            )
        return self


def _problem(name: str, value: object, message: str) -> str:
    secret = Settings.model_fields[name].annotation is SecretStr
    return f"{name.upper()}={'(not shown)' if secret else repr(value)}: {message}"


def cores() -> int:
    """Return the number of cores this process may use: its affinity, and its container's quota."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return allowed


def env_example() -> str:
    """Return the text of ``env_example``: every variable, its reason and its default."""
    lines = [
        "# Every setting of Darkroom with its default. Copy to .env, or set in the environment.",
        "# Written by `python -m models env > env_example`; a test holds it against the class.",
    ]
    for section in SECTIONS:
        lines += ["", f"### {section.__doc__}"]
        for name, field in section.model_fields.items():
            default = "" if field.default is None else field.default
            lines += ["", f"# {field.description}", f"{name.upper()}={default}"]
    return "\n".join(lines) + "\n"
