"""The accounts that may use a password when sign-in is reserved for identity providers."""

from issue_tracker.auth.user_names import Email
from issue_tracker.names import key
from issue_tracker.settings import Settings


def is_break_glass(settings: Settings, email: str) -> bool:
    """Returns whether the account with this address is a break-glass account: it has a password, and no provider
    changes it.
    """
    return key(email) in break_glass_keys(settings)


def break_glass_keys(settings: Settings) -> set[str]:
    """Returns the addresses of these accounts, casefolded for comparison."""
    named = (part.strip() for part in settings.break_glass_accounts.split(","))
    return {key(address) for address in named if address}


def may_use_password(settings: Settings, email: Email | str) -> bool:
    """Returns whether the account with this address may sign in with a password."""
    return settings.password_sign_in or is_break_glass(settings, email)
