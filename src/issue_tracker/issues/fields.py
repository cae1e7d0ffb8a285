"""The fields of an issue besides its name and description (contract, section 13): what they accept, and how they are
stored, recorded and read from files.

To add one, add a member to `GivenFields` and its line to `FIELDS`; see "Where to add" in docs/architecture.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection, Table, delete, insert

from issue_tracker.actor import Actor
from issue_tracker.auth.users import User, get_user
from issue_tracker.clock import in_utc, iso
from issue_tracker.database.tables import assignment_references, issue_references, issue_tags
from issue_tracker.issues import field_texts
from issue_tracker.issues.former_names import remove_former_key
from issue_tracker.issues.models import Reference, Severity, StoredFields, read_references, read_tags
from issue_tracker.issues.queries.owners import find_owner, require_technician
from issue_tracker.names import ExternalKey, Tag, key, parse_external_key

MOST_ITEMS = 50
"""Maximum number of tags, or of references, of an issue."""

OwnerT = TypeVar("OwnerT")


class GivenFields(msgspec.Struct, Generic[OwnerT], frozen=True, kw_only=True):
    """Values for the fields of an issue. UNSET leaves a field unchanged; None, or an empty list or text, clears it."""

    severity: Severity | UnsetType | None = UNSET
    owner: OwnerT | UnsetType | None = UNSET
    next_update_at: Annotated[datetime, Meta(tz=True)] | UnsetType | None = UNSET
    tags: Annotated[list[Tag], Meta(max_length=MOST_ITEMS)] | UnsetType | None = UNSET
    references: Sequence[Reference] | UnsetType | None = UNSET
    external_key: ExternalKey | UnsetType | None = UNSET


class IssueFields(GivenFields[User], frozen=True, kw_only=True):
    """The values that operations take."""


class WrittenFields(GivenFields[str], frozen=True, kw_only=True):
    """The values in a body or a file, in which `owner` is the email address of a technician."""

    def resolved(self, tx: Connection, actor: Actor) -> IssueFields:
        """Returns the values for operations. Raises Invalid for an owner who is unknown."""
        values = {name: getattr(self, name) for name in FIELDS}
        if isinstance(self.owner, str):
            values["owner"] = find_owner(tx, actor, self.owner)
        return IssueFields(**values)


UNCHANGED = IssueFields()
"""Leaves every field unchanged."""


def _text(text: str) -> str | None:
    return str(text) or None


def _as_it_is(_tx: Connection, stored: Any) -> str:
    return str(stored)


def stored_tags(given: Iterable[str] | None) -> str | None:
    """Returns the distinct tags in the order of their keys, as JSON, in which a column stores them; None for none."""
    found = {key(tag): str(tag) for tag in reversed(list(given or ()))}
    return _json([found[tag_key] for tag_key in sorted(found)])


def stored_references(given: Iterable[Reference] | None) -> str | None:
    """Returns the distinct references in the given order, as JSON, in which a column stores them; None for none. Of
    those that differ only in case, the first one remains; those with different addresses are distinct.
    """
    found: dict[tuple[str, str, str | None], Reference] = {}
    for one in given or ():
        found.setdefault((key(one.system), key(one.key), one.url), one)
    return _json(list(found.values()))


def _json(items: list[Any]) -> str | None:
    return msgspec.json.encode(items, enc_hook=str).decode() if items else None


class Field(msgspec.Struct, frozen=True):
    """`column` is the field's name in the table. `read` converts a text to a value, or raises ValueError with the
    reason; `stored` converts a value to that of the column, and `recorded` converts the column's value to the text of
    an event. None of them is called with None.
    """

    column: str
    read: Callable[[str], Any]
    stored: Callable[[Any], Any] = _text
    recorded: Callable[[Connection, Any], str] = _as_it_is


FIELDS: Mapping[str, Field] = {
    "severity": Field("severity", field_texts.read_severity),
    "owner": Field("owner_id", str, lambda user: user.user_id, lambda tx, user_id: get_user(tx, user_id).email),
    "next_update_at": Field("next_update_at", field_texts.read_instant, in_utc, lambda _, at: iso(at)),
    "tags": Field("tags", field_texts.read_tags, stored_tags, lambda _, tags: ", ".join(msgspec.json.decode(tags))),
    "references": Field("refs", field_texts.read_references, stored_references),
    "external_key": Field("external_key", parse_external_key),
}
"""The fields by their names in the API, in the order in which the history lists changes of one request."""


class FieldChange(msgspec.Struct, frozen=True):
    """A field that gets another value: its column with the value to store, and its values in the event."""

    name: str
    column: str
    stored: Any
    before: str | None
    after: str | None


def require_new_owner(current: StoredFields, given: IssueFields) -> None:
    """Raises Invalid for a new owner who is not an active technician."""
    if isinstance(given.owner, User) and given.owner.user_id != current.owner_id:
        require_technician(given.owner)


def changed_fields(tx: Connection, current: StoredFields, given: IssueFields) -> list[FieldChange]:
    """Returns the given fields whose values differ from the stored ones. Raises Invalid for a new owner who is not
    an active technician.
    """
    require_new_owner(current, given)
    values = {name: getattr(given, name) for name in FIELDS}
    return _changes(
        tx,
        current,
        {
            name: None if value is None else FIELDS[name].stored(value)
            for name, value in values.items()
            if value is not UNSET
        },
    )


def merged_fields(tx: Connection, ours: StoredFields, theirs: StoredFields) -> list[FieldChange]:
    """Returns what changes if an issue gets the tags and references of another one too, and other fields that it
    lacks.
    """
    merged = {name: getattr(ours, field.column) or getattr(theirs, field.column) for name, field in FIELDS.items()}
    tags, references = merged_tags(ours, theirs), merged_references(ours.refs, theirs.refs)
    return _changes(tx, ours, merged | {"tags": tags, "references": references})


def merged_tags(ours: StoredFields, theirs: StoredFields) -> str | None:
    """Returns the tags of two issues together, in the form that a column stores."""
    return stored_tags(read_tags(ours.tags) + read_tags(theirs.tags))


def merged_references(ours: str | None, theirs: str | None) -> str | None:
    """Returns two stored lists of references together, in the form that a column stores."""
    return stored_references(read_references(ours) + read_references(theirs))


def count_items(stored: str | None) -> int:
    """Returns the number of stored tags or references."""
    return len(msgspec.json.decode(stored)) if stored else 0


def _changes(tx: Connection, current: StoredFields, stored: Mapping[str, Any]) -> list[FieldChange]:
    """Returns the fields whose values to store, by name, differ from the stored ones."""
    changes = []
    for name, after in stored.items():
        field = FIELDS[name]
        before = getattr(current, field.column)
        if after != before:
            recorded = _recorded(tx, field, before), _recorded(tx, field, after)
            changes.append(FieldChange(name, field.column, after, *recorded))
    return changes


def recorded_value(tx: Connection, name: str, stored: StoredFields) -> str | None:
    """Returns the value of a field in the form of events."""
    return _recorded(tx, FIELDS[name], getattr(stored, FIELDS[name].column))


def _recorded(tx: Connection, field: Field, value: Any) -> str | None:
    return None if value is None else field.recorded(tx, value)


def index_fields(tx: Connection, issue_id: int, changes: Iterable[FieldChange]) -> None:
    """Updates the tables by which issues are found through their tags, references and external keys."""
    for change in changes:
        if change.name == "tags":
            _index(tx, issue_tags, "tag_key", "issue_id", issue_id, tag_keys(change.stored))
        elif change.name == "references":
            _index(tx, issue_references, "reference_key", "issue_id", issue_id, reference_keys(change.stored))
        elif change.name == "external_key" and change.stored is not None:
            remove_former_key(tx, change.stored)


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


def _index(tx: Connection, table: Table, text: str, referring: str, number: int, keys: Iterable[str]) -> None:
    tx.execute(delete(table).where(table.c[referring] == number))
    rows = [{text: one, referring: number} for one in sorted(keys)]
    if rows:
        tx.execute(insert(table), rows)
