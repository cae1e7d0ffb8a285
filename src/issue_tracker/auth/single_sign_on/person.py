"""Converts the claims of a provider about a person to the terms of this product."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from issue_tracker.auth.single_sign_on.errors import TokenRefused
from issue_tracker.auth.user_names import Email, parse_email
from issue_tracker.names import storable
from issue_tracker.settings.providers import Provider

MOST_GROUPS = 2000
"""Maximum number of a person's groups that are considered. Providers put fewer into a token."""

SEVERAL_FACTORS, SECOND_FACTORS = {"mfa", "ngcmfa"}, {"fido", "hwk", "otp", "sc", "swk"}
"""Values of `amr` that mean several factors by themselves, and together with `pwd` (RFC 8176, and Entra ID's own)."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person at a provider. `email` is None unless the provider has verified it, or is trusted to have done so.

    `groups` is None if the provider says nothing about groups. `signed_in_at` is when the person proved their identity
    there (UTC), None if the provider does not say. `second_factor` says that this took more than a password.
    """

    issuer: str
    subject: str
    email: Email | None
    name: str
    groups: frozenset[str] | None
    signed_in_at: datetime | None
    second_factor: bool
    session: str | None


def person_of(provider: Provider, claims: Mapping[str, Any]) -> Person:
    """Returns the person whom verified claims are about. Raises TokenRefused if a required claim is missing."""
    for name, required in provider.required_claims.items():
        if required not in _texts(_claim(claims, name)):
            raise TokenRefused(f"the claim {name!r} is not {required!r}")
    session = claims.get("sid")
    return Person(
        issuer=provider.issuer,
        subject=claims["sub"],
        email=_verified_email(provider, claims),
        name=_name(claims),
        groups=groups_of(provider, claims),
        signed_in_at=_instant(claims.get("auth_time")),
        second_factor=_second_factor(provider, claims),
        session=session if isinstance(session, str) and storable(session) and len(session) <= 255 else None,
    )


def groups_of(provider: Provider, claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Returns the groups of the person; None if the claims do not contain them."""
    found = _claim(claims, provider.groups_claim)
    return None if found is None else frozenset(_texts(found)[:MOST_GROUPS])


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Returns a claim by its name; names of nested claims are joined with dots: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str) and storable(text)]


def _verified_email(provider: Provider, claims: Mapping[str, Any]) -> Email | None:
    verified = claims.get("email_verified")
    if not (verified is True or verified == "true" or provider.trust_email):
        return None
    try:
        email = parse_email(str(claims.get("email") or ""))
    except ValueError:
        return None
    domains = [domain.casefold() for domain in provider.email_domains]
    return email if not domains or email.rpartition("@")[2].casefold() in domains else None


def _name(claims: Mapping[str, Any]) -> str:
    given = (claims.get(name) for name in ("name", "preferred_username", "email"))
    return next((text for text in given if isinstance(text, str) and text.strip()), "")


def _instant(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 2**35:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _second_factor(provider: Provider, claims: Mapping[str, Any]) -> bool:
    if provider.second_factor != "token":
        return provider.second_factor == "trusted"
    said = set(_texts(claims.get("amr")))
    several = bool(said & SEVERAL_FACTORS) or ("pwd" in said and bool(said & SECOND_FACTORS))
    return several or claims.get("acr") in provider.second_factor_acr
