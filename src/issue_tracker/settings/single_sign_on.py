"""Settings of sign-in through identity providers (docs/sign-in.md)."""

from typing import Annotated

from msgspec import Meta

from issue_tracker.settings.accounts import AccountSettings


class SingleSignOnSettings(AccountSettings, frozen=True, kw_only=True):
    """`Meta.description` is the documentation of each setting."""

    identity_providers: Annotated[
        str,
        Meta(
            description="The identity providers with which users may sign in, as TOML, usually in a file: "
            "`ISSUE_TRACKER_IDENTITY_PROVIDERS_FILE`. docs/sign-in.md has its fields and examples.",
        ),
    ] = ""
    password_sign_in: Annotated[
        bool,
        Meta(description="Whether users may sign in with a password. If not, only break-glass accounts may."),
    ] = True
    break_glass_accounts: Annotated[
        str,
        Meta(
            description="Email addresses, comma-separated, of the accounts that always sign in with a password. "
            "No identity provider is linked to them by address or changes their role.",
        ),
    ] = ""
    absent_user_token_days: Annotated[
        float,
        Meta(
            ge=0,
            le=3650,
            description="Number of days without a confirmation by an identity provider after which the API tokens "
            "of a user who can sign in only with identity providers are revoked; 0 retains them.",
        ),
    ] = 30.0
