"""The fields of an issue in forms: as texts that are shown and posted, and as a body of the API.

A form that changes an issue contains the texts that it showed. Unchanged texts are not passed on, so that a user cannot
overwrite a field that they have not edited.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from issue_tracker.errors import Invalid
from issue_tracker.http.request import Request
from issue_tracker.issues.field_texts import read_references, write_fields
from issue_tracker.issues.fields import FIELDS
from issue_tracker.issues.models import DetailedAssignment, Issue, Severity
from issue_tracker.issues.queries.owners import emails_of, list_technicians
from issue_tracker.pages.forms import Form

SEEN = "seen_fields"
"""The form field that contains the texts that the form showed in the other fields."""

Texts = dict[str, str]


class Choices(msgspec.Struct, frozen=True):
    """The options of a form's fields."""

    severities: Sequence[tuple[str, str]]
    owners: Sequence[tuple[str, str]]


def choices(request: Request, shown: Issue | DetailedAssignment | None = None) -> Choices:
    """Returns the options for a new issue, or for this one or a company in one, whose owner may no longer be a
    technician.
    """
    known = list_technicians(request.tx, request.actor)
    owners = [(user.email, user.name) for user in known if user.active]
    if shown is not None and shown.owner is not None:
        current = next((user for user in known if user.user_id == shown.owner.user_id), None)
        if current is not None and not current.active:
            owners.append((current.email, current.name))
    severities = [("", "None"), *((severity.value, severity.label) for severity in Severity)]
    return Choices(severities, [("", "No owner"), *owners])


def texts_of(request: Request, issue: Issue) -> Texts:
    """Returns the fields of an issue as a form shows them."""
    texts = write_fields(issue, FIELDS, emails_of(request.tx, request.actor))
    return texts | {"next_update_at": texts["next_update_at"][:16]}


def seen_texts(form: Form) -> Texts | None:
    """Returns the texts that a form says it showed; None if it does not say so. Raises Invalid for a damaged form."""
    try:
        return msgspec.json.decode(form.get(SEEN), type=Texts) if form.get(SEEN) else None
    except msgspec.DecodeError:
        raise Invalid("The form is damaged; load the page again.") from None


def changed_texts(form: Form, seen: Mapping[str, str]) -> Texts:
    """Returns the fields whose texts differ from those that the form showed."""
    posted = {name: value for name, value in form.pairs if name in FIELDS}
    return {name: text for name, text in posted.items() if text.strip() != seen.get(name, "")}


def body_fields(texts: Mapping[str, str]) -> dict[str, Any]:
    """Converts the texts of a form to fields of an API body. Raises Invalid for a field."""
    found: dict[str, Any] = {name: text.strip() or None for name, text in texts.items()}
    if found.get("tags"):
        found["tags"] = [tag.strip() for tag in found["tags"].split(",") if tag.strip()]
    if found.get("references"):
        found["references"] = _references(found["references"])
    if found.get("next_update_at"):
        found["next_update_at"] = _instant(found["next_update_at"])
    return found


def _references(text: str) -> list[dict[str, str]]:
    try:
        found = read_references(text)
    except ValueError as refused:
        raise Invalid.field("references", str(refused)) from None
    # As plain strings: the types of checked texts cannot be encoded.
    return [
        {"system": str(one.system), "key": str(one.key)} | ({"url": str(one.url)} if one.url else {}) for one in found
    ]


def _instant(text: str) -> str:
    """Converts the value of a date and time control, which static/js/times.js sends in UTC without an offset."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat()
    except ValueError:
        raise Invalid.field("next_update_at", "must be a date and a time") from None
