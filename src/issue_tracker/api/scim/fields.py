"""Converts resources of SCIM to the fields of accounts and groups, with the same checks as elsewhere."""

from collections.abc import Callable
from typing import TypeVar

from issue_tracker.api.scim.resources import Group, User
from issue_tracker.auth.scim.accounts import PersonFields
from issue_tracker.auth.scim.people import Person
from issue_tracker.auth.user_names import Email, parse_display_name, parse_email
from issue_tracker.errors import Invalid
from issue_tracker.names import Name, key, parse_name, whole_number
from issue_tracker.new_names import require_visible

T = TypeVar("T")


def person_fields(user: User, present: Person | None = None) -> PersonFields:
    """Returns the desired state of an account; `present` is its current state, None for a new account.

    Raises Invalid.
    """
    user_name = _parsed("userName", parse_name, user.user_name or "")
    require_visible("userName", user_name)
    given = _part("name.givenName", user.name.given_name if user.name else None)
    family = _part("name.familyName", user.name.family_name if user.name else None)
    shown = user.display_name
    if present is not None and shown == present.name == _joined(present.given_name, present.family_name):
        # The provider has changed a part of the name and sends the unchanged display name.
        shown = _joined(given, family) or shown
    shown = shown or _joined(given, family) or user_name
    active = user.active if user.active is not None else present is None or present.active
    return PersonFields(
        user_name=user_name,
        email=_address(user, user_name, present),
        name=_parsed("displayName", parse_display_name, shown),
        external_id=_part("externalId", user.external_id),
        given_name=given,
        family_name=family,
        active=active,
    )


def group_fields(group: Group) -> tuple[Name, str | None, list[int]]:
    """Returns the name of a group, its id at the provider, and the ids of its members. Raises Invalid."""
    name = _parsed("displayName", parse_name, group.display_name or "")
    require_visible("displayName", name)
    members = []
    for member in group.members or ():
        number = whole_number(member.value or "")
        if not number or (member.type or "User").lower() != "user":
            raise Invalid.field("members", "must be users, by the ids that they have here")
        members.append(number)
    return name, _part("externalId", group.external_id), members


def _address(user: User, user_name: str, present: Person | None) -> Email:
    """Returns the address of the account: the primary, else the work, else the first address, else the user name."""
    listed = [email for email in user.emails or () if email.value]
    first = sorted(listed, key=lambda email: (not email.primary, (email.type or "").lower() != "work"))[:1]
    address = first[0].value or "" if first else ""
    if present is not None and address in ("", present.email):
        # An address that was equal to the user name follows it, if the new user name is an address.
        follows = key(present.email) == key(present.user_name) and "@" in user_name
        address = user_name if follows else present.email
    return _parsed("emails" if address else "userName", parse_email, address or user_name)


def _part(field: str, text: str | None) -> str | None:
    return None if text is None or not text.strip() else _parsed(field, parse_name, text)


def _joined(given: str | None, family: str | None) -> str:
    return " ".join(part for part in (given, family) if part)


def _parsed(field: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as refused:
        raise Invalid.field(field, str(refused)) from None
