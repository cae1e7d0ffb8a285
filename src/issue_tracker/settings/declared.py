"""All settings in one typed table, read from the environment once at the start.

`ISSUE_TRACKER_<NAME>` sets a value; `ISSUE_TRACKER_<NAME>_FILE` names a file that contains it, for secrets. The modules
`server`, `limits`, `accounts`, `single_sign_on`, `webhooks`, `alerts` and `mail` declare the settings; each extends the
previous one. A test compares docs/settings.md with this table.
"""

from issue_tracker.settings.mail import MailSettings
from issue_tracker.settings.providers import Provider, parse_providers

PREFIX = "ISSUE_TRACKER_"


class SettingsError(Exception):
    """A setting has an invalid value; the message names it and says what would be right."""


class Settings(MailSettings, frozen=True, kw_only=True):
    """The settings of one process."""

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    def needs_second_factor(self, *, super_admin: bool) -> bool:
        """Returns whether users with or without that role need a second factor."""
        if self.second_factor == "auto":
            return super_admin and self.https
        return self.second_factor == "everyone" or (super_admin and self.second_factor == "super_admins")

    @property
    def https(self) -> bool:
        return self.public_url[:6].lower() == "https:"

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The identity providers, in the order of their file."""
        return parse_providers(self.identity_providers)
