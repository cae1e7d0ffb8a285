"""Settings of sessions and sign-in."""

from typing import Annotated

from msgspec import Meta

from issue_tracker.settings.limits import LimitSettings


class AccountSettings(LimitSettings, frozen=True, kw_only=True):
    """`Meta.description` is the documentation of each setting."""

    session_idle_hours: Annotated[
        float,
        Meta(gt=0, le=8760, description="How long a session may stay unused before it ends; at most 8760, a year."),
    ] = 12.0
    session_lifetime_days: Annotated[
        float,
        Meta(
            gt=0,
            le=3650,
            description="The age at which a session ends, even when it is in use; at most 3650, ten years.",
        ),
    ] = 30.0
    confirmation_minutes: Annotated[
        float,
        Meta(
            gt=0,
            le=1440,
            description="How long after a sign-in or a confirmation passwords, roles, tokens and webhooks may be "
            "changed without a new confirmation; at most 1440, a day.",
        ),
    ] = 10.0
    second_factor: Annotated[
        str,
        Meta(
            pattern="^(auto|nobody|super_admins|everyone)$",
            description="Who needs a second factor to sign in: `nobody`, `super_admins` or `everyone`. `auto` "
            "means super admins if the public URL is https, and nobody otherwise. A user who has one must always "
            "use it.",
        ),
    ] = "auto"
    rsa_passkeys: Annotated[
        bool,
        Meta(
            description="Whether new passkeys may have RSA keys (RS256), which some computers create because they "
            "have nothing else. All others have P-256 (ES256) or Ed25519.",
        ),
    ] = True
    remembered_browser_days: Annotated[
        float,
        Meta(
            ge=0,
            le=365,
            description="How long a browser that a user chose to remember needs no second factor to sign in; 0 "
            "for never.",
        ),
    ] = 30.0
    sessions_per_user: Annotated[
        int,
        Meta(ge=1, description="How many sessions a user may have; a further sign-in ends the oldest one."),
    ] = 50
    tokens_per_user: Annotated[
        int,
        Meta(
            ge=0, description="How many API tokens a user may have; more are refused (400), except on the command line."
        ),
    ] = 50
    token_lifetime_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="The age at which an API token expires at the latest; a later end is refused (400). 0 "
            "sets no limit.",
        ),
    ] = 0.0
    token_idle_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="How long an API token may stay unused before it expires; 0 sets no limit.",
        ),
    ] = 365.0
    portal_first_names: Annotated[
        bool,
        Meta(description="Whether customers see the first names of the authors of public updates."),
    ] = False
    sign_in_account_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failed sign-ins for one account in the window are allowed before the response "
            "is 429.",
        ),
    ] = 10
    sign_in_address_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failed sign-ins from one address in the window are allowed before the response "
            "is 429.",
        ),
    ] = 50
    sign_in_network_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failed sign-ins from one IPv6 network of a provider's customer (/48) in the "
            "window are allowed before the response is 429. An address is a /64 there.",
        ),
    ] = 200
    sign_in_total_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failed sign-ins in total in the window are allowed before the response is 429. "
            "Attempts from a browser or an address where the user has signed in before neither count nor are "
            "refused.",
        ),
    ] = 200
    sign_in_window_minutes: Annotated[
        float,
        Meta(gt=0, le=10080, description="The window in which failed sign-ins are counted; at most 10080, a week."),
    ] = 15.0
    failed_sign_in_rows: Annotated[
        int,
        Meta(
            ge=0,
            description="How many failed sign-ins and refused requests the audit retains; every hour the oldest "
            "beyond that are deleted.",
        ),
    ] = 100_000
    password_queue: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="How many requests without a session may wait for a password to be hashed, in each server "
            "process, before the response is 503; twice as many with a session.",
        ),
    ] = 16
    failed_sign_in_retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Number of days after which failed sign-ins and refused requests are deleted from the "
            "audit; 0 retains them.",
        ),
    ] = 90.0
