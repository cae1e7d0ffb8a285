"""The fields of an issue besides its name and description (contract, section 13): how they are stored and recorded.

To add one, add a member to `IssueFields`, its line in `_FIELDS`, and its column; see "Where to add" in
docs/architecture.md.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, Table, delete, insert

from issue_tracker.auth.users import User, get_user
from issue_tracker.clock import in_utc, iso
from issue_tracker.database.tables import assignment_references, issue_references, issue_tags
from issue_tracker.issues.models import Reference, Severity, StoredFields
from issue_tracker.names import key


class IssueFields(msgspec.Struct, frozen=True, kw_only=True):
    """Values for the fields of an issue. UNSET leaves a field unchanged; None, or an empty list, clears it."""

    severity: Severity | UnsetType | None = UNSET
    owner: User | UnsetType | None = UNSET
    next_update_at: datetime | UnsetType | None = UNSET
    tags: Sequence[str] | UnsetType | None = UNSET
    references: Sequence[Reference] | UnsetType | None = UNSET
    external_key: str | UnsetType | None = UNSET


UNCHANGED = IssueFields()
"""Leaves every field unchanged."""


class _Field(msgspec.Struct, frozen=True):
    """`column` is the field's name in the table; `stored` converts a given value to that of the column, and `said`
    converts the column's value to the text of an event. Neither is called with None.
    """

    column: str
    stored: Callable[[Any], Any]
    said: Callable[[Connection, Any], str]


def _as_it_is(_tx: Connection, stored: Any) -> str:
    return str(stored)


def _tags(given: Iterable[str]) -> str | None:
    """Returns the distinct tags in the order of their keys, as JSON."""
    found = {key(tag): str(tag) for tag in reversed(list(given))}
    return _json([found[tag_key] for tag_key in sorted(found)])


def _references(given: Iterable[Reference]) -> str | None:
    return _json(list(given))


def _json(items: list[Any]) -> str | None:
    return msgspec.json.encode(items, enc_hook=str).decode() if items else None


_FIELDS: dict[str, _Field] = {
    "severity": _Field("severity", lambda severity: severity.value, _as_it_is),
    "owner": _Field("owner_id", lambda user: user.user_id, lambda tx, user_id: get_user(tx, user_id).email),
    "next_update_at": _Field("next_update_at", in_utc, lambda _, at: iso(at)),
    "tags": _Field("tags", _tags, lambda _, tags: ", ".join(msgspec.json.decode(tags))),
    "references": _Field("refs", _references, _as_it_is),
    "external_key": _Field("external_key", str, _as_it_is),
}
"""The fields by their names in the API, in the order in which the history lists changes of one request."""

COLUMNS = tuple(field.column for field in _FIELDS.values())


class FieldChange(msgspec.Struct, frozen=True):
    """A field that gets another value: its column with the value to store, and its values in the event."""

    name: str
    column: str
    stored: Any
    before: str | None
    after: str | None


def changed_fields(tx: Connection, current: StoredFields, given: IssueFields) -> list[FieldChange]:
    """Returns the given fields whose values differ from the stored ones."""
    changes = []
    for name, field in _FIELDS.items():
        value = getattr(given, name)
        if value is UNSET:
            continue
        stored = None if value is None else field.stored(value)
        before = getattr(current, field.column)
        if stored != before:
            said = [None if one is None else field.said(tx, one) for one in (before, stored)]
            changes.append(FieldChange(name, field.column, stored, *said))
    return changes


def index_fields(tx: Connection, issue_id: int, changes: Iterable[FieldChange]) -> None:
    """Updates the index tables by which issues are found through their tags and references."""
    for change in changes:
        if change.name == "tags":
            _index(tx, issue_tags, "tag_key", "issue_id", issue_id, tag_keys(change.stored))
        elif change.name == "references":
            _index(tx, issue_references, "reference_key", "issue_id", issue_id, reference_keys(change.stored))


def index_references(tx: Connection, assignment_id: int, stored: str | None) -> None:
    """Updates the index table for the references of an assignment."""
    _index(tx, assignment_references, "reference_key", "assignment_id", assignment_id, reference_keys(stored))


def tag_keys(stored: str | None) -> set[str]:
    """Returns the keys by which an issue with these tags, in their stored form, is found."""
    return {key(tag) for tag in msgspec.json.decode(stored)} if stored else set()


def reference_keys(stored: str | None) -> set[str]:
    """Returns the keys by which these stored references are found: each key, alone and after its system and a colon."""
    found = msgspec.json.decode(stored, type=list[Reference]) if stored else []
    return {key(text) for one in found for text in (one.key, f"{one.system}:{one.key}")}


def stored_tags(tags: Sequence[str] | None) -> str | None:
    """Returns tags as a column holds them."""
    return _tags(tags or ())


def stored_references(references: Sequence[Reference] | None) -> str | None:
    """Returns references in the form that a column stores."""
    return _references(references or ())


def _index(tx: Connection, table: Table, text: str, referring: str, number: int, keys: Iterable[str]) -> None:
    tx.execute(delete(table).where(table.c[referring] == number))
    rows = [{text: one, referring: number} for one in sorted(keys)]
    if rows:
        tx.execute(insert(table), rows)
