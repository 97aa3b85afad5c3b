"""All settings of Darkroom, in groups: read once at an entry point, frozen and passed down.

Each group is a module here and a section of ``env_example``; a component gets the groups it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, cast

from pydantic import SecretStr, ValidationError

from models.errors import BadSettings
from models.loopback import is_loopback
from models.settings.auth import AuthSettings
from models.settings.encoding import EncodingSettings
from models.settings.group import Group
from models.settings.http import HttpSettings
from models.settings.limits import LimitSettings
from models.settings.mail import MailSettings
from models.settings.monitoring import MonitoringSettings
from models.settings.networks import NetworkSettings
from models.settings.removed import REFUSED, removed_settings
from models.settings.retention import RetentionSettings
from models.settings.stores import StoreSettings
from models.settings.uploads import UploadSettings
from models.settings.webhook import WebhookSettings
from models.settings.worker import WorkerSettings


@dataclass(frozen=True)
class Settings:
    """All environment variables of Darkroom with their defaults; their names are in upper case.

    ``python -m models env`` prints ``env_example`` from the fields and their descriptions.
    """

    http: HttpSettings = field(default_factory=HttpSettings)
    stores: StoreSettings = field(default_factory=StoreSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    uploads: UploadSettings = field(default_factory=UploadSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    networks: NetworkSettings = field(default_factory=NetworkSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment and ``.env``.

        Raises:
            BadSettings: values are invalid, or a setting was removed; the error says which and why.
        """
        for name in removed_settings():
            if name in REFUSED:
                raise BadSettings(f"{name} is no longer used: {REFUSED[name]}")
        groups: dict[str, Any] = {}
        problems = []
        for name, group in GROUPS.items():
            try:
                groups[name] = group()
            except ValidationError as error:
                problems += [
                    _problem(group, str(p["loc"][0]), p["input"], p["msg"]) for p in error.errors()
                ]
        if problems:
            raise BadSettings("; ".join(problems))
        return cls(**groups)

    def replace(self, **values: Any) -> Self:
        """Return a copy with other values of the named fields, whichever groups they are in.

        Raises:
            KeyError: there is no such field. ValidationError: a value is invalid.
        """
        changes: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            changes.setdefault(_GROUP_OF[name], {})[name] = value
        groups = {}
        for name, changed in changes.items():
            old = getattr(self, name)
            groups[name] = type(old).model_validate({**old.model_dump(), **changed})
        return replace(self, **groups)

    def values(self) -> dict[str, Any]:
        """Return all values by the names of their fields."""
        return {name: getattr(getattr(self, group), name) for name, group in _GROUP_OF.items()}

    @property
    def api_keys_enabled(self) -> bool:
        """Whether requests need a key: API_KEYS; auto: unless HOST is loopback."""
        auto = self.auth.api_keys == "auto" and not is_loopback(self.http.host)
        return self.auth.api_keys == "on" or auto

    @property
    def rate_limits_enabled(self) -> bool:
        """Whether rate limits apply: RATE_LIMITS; auto: unless only this machine has access."""
        reachable = self.api_keys_enabled or not is_loopback(self.http.host)
        return self.limits.rate_limits == "on" or (self.limits.rate_limits == "auto" and reachable)

    @property
    def fetch_urls_enabled(self) -> bool:
        """Whether image_url is fetched: FETCH_URLS; auto: if only this machine has access."""
        local = is_loopback(self.http.host) and not self.api_keys_enabled
        return self.webhook.fetch_urls == "on" or (self.webhook.fetch_urls == "auto" and local)

    def require_folders(self) -> Self:
        """Return self if the folders of the service exist.

        Raises:
            BadSettings: IMAGES_ROOT is not a folder.
        """
        root = self.http.images_root
        if root is not None and not root.is_dir():
            raise BadSettings(f"IMAGES_ROOT={root} is not a folder on this machine")
        return self

    def require_stores(self) -> Self:
        """Return self if both stores are set.

        Raises:
            BadSettings: REDIS_URL or MONGO_URL is empty.
        """
        missing = [n for n in ("REDIS_URL", "MONGO_URL") if not getattr(self.stores, n.lower())]
        if missing:
            raise BadSettings(
                f"{' and '.join(missing)} must be set (make run starts embedded stores)"
            )
        return self


GROUPS = {each.name: cast("type[Group]", each.default_factory) for each in fields(Settings)}
_GROUP_OF = {name: group for group, kind in GROUPS.items() for name in kind.model_fields}
FIELDS = {name: info for kind in GROUPS.values() for name, info in kind.model_fields.items()}
"""All settings, in the order of ``env_example``."""


def _problem(group: type[Group], name: str, value: object, message: str) -> str:
    secret = group.model_fields[name].annotation is SecretStr
    return f"{name.upper()}={'(not shown)' if secret else repr(value)}: {message}"


def env_example() -> str:
    """Return the text of ``env_example``: all variables, descriptions and defaults."""
    lines = [
        "# All settings of Darkroom with their defaults. Copy to .env, or set in the environment.",
        "# Written by `python -m models env > env_example`; a test compares it with the code.",
    ]
    for group in GROUPS.values():
        lines += ["", f"### {group.__doc__}"]
        for name, info in group.model_fields.items():
            default = "" if info.default is None else info.default
            lines += ["", f"# {info.description}", f"{name.upper()}={default}"]
    return "\n".join(lines) + "\n"
