"""Reads the settings from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import Meta

from issue_tracker.kubernetes import without_services
from issue_tracker.names import storable
from issue_tracker.settings.checks import check, origin_of
from issue_tracker.settings.declared import PREFIX, Settings, SettingsError


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Returns the settings from `environment` (default: the process's); `overrides` take precedence unless None.

    Ignores the variables that Kubernetes adds for services. Raises SettingsError for an unknown setting or an invalid
    value; the message says what would be right.
    """
    environment = without_services(os.environ if environment is None else environment, PREFIX)
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {}
    for name, kind in hints.items():
        given = overrides.get(name)
        text = given if given is not None else _read(environment, PREFIX + name.upper())
        if text is None:
            continue
        if isinstance(text, str) and not storable(text):
            raise SettingsError(f"{PREFIX}{name.upper()} is not valid: it is not UTF-8.")
        try:
            values[name] = msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{PREFIX}{name.upper()} is not valid: {error}. {_description(kind)}") from None
    unknown = sorted(
        key for key in environment if key.startswith(PREFIX) and _field(key) not in hints and environment[key]
    )
    if unknown:
        raise SettingsError(f"{', '.join(unknown)}: no such setting. docs/settings.md lists them all.")
    settings = Settings(**values)
    check(settings)
    return msgspec.structs.replace(settings, public_url=origin_of(settings.public_url) or settings.public_url)


def _field(key: str) -> str:
    return key.removeprefix(PREFIX).removesuffix("_FILE").lower()


def _read(environment: Mapping[str, str], key: str) -> str | None:
    direct, file = environment.get(key), environment.get(f"{key}_FILE")
    if direct and file:
        raise SettingsError(f"{key} conflicts with {key}_FILE: set one of them.")
    if not file:
        return direct or None
    try:
        return Path(file).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise SettingsError(f"{key}_FILE cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{key}_FILE cannot be read: the file is not UTF-8.") from None


def _description(kind: Any) -> str:
    return next((meta.description or "" for meta in kind.__metadata__ if isinstance(meta, Meta)), "")
