"""The form of a new API token, shown on the user's own account and on the page of a service account."""

from datetime import timedelta
from typing import Any

import msgspec

from issue_tracker.api.tokens import NewToken
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.settings import Settings

LIFETIMES = {"30": "in 30 days", "90": "in 90 days", "365": "in a year", "": "never"}
"""The lifetimes of a token that the form offers, by days."""

REFUSED_TOKEN = ShownForm({"company_access": "companies", "expires_at": "days"}, unknown="companies")
"""How the form is redisplayed: errors about unknown names of companies belong to their field."""

REVOKED = "Programs that use the token are then refused. This cannot be undone."
"""The consequence of revoking an API token, which its confirmation states."""

SOON = timedelta(days=14)
"""A token that expires within this time is marked."""


class Moments(msgspec.Struct, frozen=True):
    """Times with which the ends of tokens are compared: tokens that end before `soon` are marked."""

    present: str
    soon: str


def moments() -> Moments:
    """Returns the present time, and the end of the time in which tokens expire soon."""
    return Moments(iso(now()), iso(now() + SOON))


def lifetimes(settings: Settings) -> list[tuple[str, str]]:
    """Returns the lifetimes that the settings allow, the longest last."""
    longest = settings.token_lifetime_days
    if not longest:
        return list(LIFETIMES.items())
    allowed = [(days, text) for days, text in LIFETIMES.items() if days and int(days) < longest]
    return [*allowed, ("", f"in {longest:g} days")]


def token_view(form: FormView | None, settings: Settings) -> FormView:
    """Returns the form as it is shown; a new one with a lifetime of 90 days, if that is allowed."""
    offered = [days for days, _ in lifetimes(settings)]
    return (form or FormView()).with_defaults({"days": "90" if "90" in offered else ""})


def read_expiry(form: Form) -> Timestamp | None:
    """Returns the end of the lifetime in the posted form; None if it chooses none of those that have an end."""
    days = form.get("days")
    return iso(now() + timedelta(days=int(days))) if days in LIFETIMES and days else None


def read_token(form: Form) -> NewToken:
    """Returns the posted form as a body of the API. Raises Invalid that names every wrong field."""
    companies, groups = form.lines("companies"), form.lines("company_groups")
    fields: dict[str, Any] = {
        "name": form.get("name"),
        "scopes": ["read", "write"] if form.get("scope") == "write" else ["read"],
        "expires_at": read_expiry(form),
        "networks": form.lines("networks"),
        "company_access": {"company_groups": groups, "companies": companies} if companies or groups else "all",
    }
    return form.read(fields, NewToken)
