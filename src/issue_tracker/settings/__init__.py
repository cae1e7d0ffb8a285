"""The settings of a process: `declared` has the table, `load` reads it from the environment."""

from issue_tracker.settings.checks import networks
from issue_tracker.settings.declared import PREFIX, Settings, SettingsError
from issue_tracker.settings.load import load
from issue_tracker.settings.server import DEFAULT_DATABASE_URL

__all__ = ["DEFAULT_DATABASE_URL", "PREFIX", "Settings", "SettingsError", "load", "networks"]
