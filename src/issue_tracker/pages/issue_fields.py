"""The fields of an issue in forms: as texts that are shown and posted, and as a body of the API.

A form that changes an issue contains the texts that it showed. Unchanged texts are not passed on: a field that the user
has not edited overwrites nothing, and causes no conflict.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from issue_tracker.errors import Invalid
from issue_tracker.http.request import Request
from issue_tracker.issues.field_texts import read_references, write_fields
from issue_tracker.issues.fields import FIELDS
from issue_tracker.issues.models import DetailedAssignment, Issue, Severity
from issue_tracker.issues.queries.owners import emails_of, list_technicians
from issue_tracker.names import one_newline
from issue_tracker.pages.forms import Form, FormView

SEEN = "seen_fields"
"""The form field that contains the texts that the form showed in the other fields."""

SEEN_TEXTS = {"name": "seen_name", "description": "seen_description"}
"""The form fields that contain the name and the description that the form showed."""

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


def changed_texts(form: Form, seen: Mapping[str, str], names: Container[str] = FIELDS) -> Texts:
    """Returns the fields whose texts differ from those that the form showed."""
    posted = {name: value for name, value in form.pairs if name in names}
    return {name: text for name, text in posted.items() if text.strip() != seen.get(name, "").strip()}


def all_texts(request: Request, issue: Issue) -> Texts:
    """Returns the name, the description and the fields of an issue as a form shows them."""
    # Descriptions of earlier versions may contain other line ends, which browsers never send back.
    own = {"name": str(issue.name), "description": one_newline(issue.description or "")}
    return own | texts_of(request, issue)


def all_seen_texts(form: Form) -> Texts:
    """Returns the name, the description and the fields that a form says it showed, without fields that it does not
    mention. Raises Invalid for a damaged form.
    """
    own = {name: form.get(seen) for name, seen in SEEN_TEXTS.items()}
    return own | {name: text for name, text in (seen_texts(form) or {}).items() if name in FIELDS}


def take_over(view: FormView, held: Texts) -> Texts:
    """Puts the present texts into the fields of a form that the user has not edited. Returns the texts that the form
    shall say it showed: of an edited field the earlier one, unless the form shows the change by another user.
    """
    if not view.touched:
        view.with_defaults(held)
        return held
    form = Form(list(view.values.items()), 0)
    try:
        seen = all_seen_texts(form)
    except Invalid:  # of this form, which is refused for that
        return held
    edited = changed_texts(form, seen, held)
    view.values.update({name: text for name, text in held.items() if name not in edited})
    return held if view.conflict else held | {name: seen[name] for name in edited if name in seen}


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
