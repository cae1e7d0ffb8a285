"""Operations on an issue itself: create, update, delete. Each writes state and events in the caller's transaction.

The caller of every operation first locks the issue that it changes. Therefore changes to one issue happen one after
another and none is lost, while changes to different issues do not wait for each other. A change that would change
nothing writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_helpdesk, require_super_admin
from issue_tracker.clock import now
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import assignments, issues
from issue_tracker.errors import FieldError, Forbidden, Invalid
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.field_errors import FieldErrors
from issue_tracker.issues.assignments import NewAssignment, add, assign, touch_issue
from issue_tracker.issues.fields import (
    UNCHANGED,
    IssueFields,
    WrittenFields,
    changed_fields,
    index_fields,
    require_new_owner,
)
from issue_tracker.issues.former_names import add_former_name, remove_former_name
from issue_tracker.issues.models import IssueHead, StoredFields
from issue_tracker.issues.queries.issue import (
    find_issue_head,
    find_issue_head_by_external_key,
    get_issue_head_by_id,
    has_hidden_assignments,
)
from issue_tracker.issues.queries.search import search_key
from issue_tracker.names import Name, key
from issue_tracker.new_names import Kind, forget, remember, remember_new, require_visible
from issue_tracker.status import Status, mask


def resolved_fields(
    tx: Connection,
    actor: Actor,
    given: WrittenFields,
    field: str,
    name: Name | None,
    issue: IssueHead | None = None,
    *,
    companies: bool = True,
) -> IssueFields:
    """Returns the fields for create_issue, or for update_issue if there is an `issue`. Their caller resolves them
    before companies, whose errors come later (contract, section 2). `companies` is whether a new issue has any.

    Raises one Invalid for an owner who is unknown or not an active technician; for `field`, the new name, if it has an
    invisible character; and for companies that create_issue requires. Then it also names what is taken, the name or the
    external key.
    """
    errors = FieldErrors()
    fields = UNCHANGED
    with errors.collected():
        fields = given.resolved(tx, actor)
        require_new_owner(StoredFields() if issue is None else issue.fields, fields)
    new_name = None if issue is not None and name == issue.name else name
    if new_name is not None:
        with errors.collected():
            require_visible(field, new_name)
    if issue is None and not companies:
        _require_company(actor, errors)
    if errors.any:  # otherwise, the operation itself finds out what is taken
        issue_id = None if issue is None else issue.issue_id
        for error in _taken_fields(tx, actor, field, new_name, given.external_key, other_than=issue_id):
            errors.add(error.field, error.message)
    errors.raise_found()
    return fields


def create_issue(
    tx: Connection,
    actor: Actor,
    name: Name,
    description: str | None,
    members: Sequence[NewAssignment] = (),
    *,
    fields: IssueFields = UNCHANGED,
    notify: bool = True,
) -> IssueHead:
    """Creates an issue with its assignments, and returns it. An empty description means none.

    Webhooks receive no message if `notify` is false. Raises Invalid for a name that is taken or has an invisible
    character, for an external key that is taken, for an archived company, and for an issue that its creator would not
    see: one without companies, under limited company access.
    """
    require_helpdesk(actor)
    errors = FieldErrors()
    with errors.collected():
        require_visible("name", name)
    if not members:
        _require_company(actor, errors)
    errors.raise_found()
    chosen = [(member.company, member.status or Status.NEW) for member in members]
    at = now()
    given = changed_fields(tx, StoredFields(), fields)
    stored = {change.column: change.stored for change in given}
    try:
        with tx.begin_nested():
            inserted = tx.execute(
                insert(issues).values(
                    name=name,
                    name_key=key(name),
                    description=description or None,
                    description_key=search_key(description),
                    **stored,
                    revision=1,
                    statuses=mask(status for _, status in chosen),
                    created_at=at,
                    updated_at=at,
                )
            )
    except IntegrityError:
        raise _taken(tx, actor, "name", name, fields) from None
    issue_id = created_id(inserted)
    index_fields(tx, issue_id, given)
    remove_former_name(tx, name)
    remember(tx, Kind.ISSUE, {issue_id: name})
    issue = Subject(issue_id, name)
    changes = [Change(type=EventType.ISSUE_CREATED, issue=issue)]
    changes += assign(tx, issue, chosen, at, "companies")
    record(tx, actor, changes, at, notify=notify)
    return IssueHead(
        issue_id=issue_id,
        name=str(name),
        description=description or None,
        fields=StoredFields(**stored),
        revision=1,
        updated_at=at,
    )


def _require_company(actor: Actor, errors: FieldErrors) -> None:
    """Adds an error if the actor would not see an issue without companies."""
    if not actor.company_access.all:
        errors.add("companies", "must name at least one company, because you see only the issues of your companies")


def update_issue(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    *,
    description: str | None = None,
    new_name: Name | None = None,
    fields: IssueFields = UNCHANGED,
    add_members: Sequence[NewAssignment] = (),
    notify: bool = True,
) -> IssueHead:
    """Changes the given fields, and returns the issue. None leaves name or description unchanged; empty clears the
    description.

    A company in `add_members` that is already assigned gets the status, if one is given. `issue` must have been read
    with a lock in this transaction. Raises Invalid like create_issue; and Forbidden for a change of the issue's own
    fields while it has companies that the actor may not see.
    """
    require_helpdesk(actor)
    subject = Subject(issue.issue_id, issue.name)
    at = issue.time_of_change()
    changes: list[Change] = []
    values: dict[str, object] = {}
    if new_name is not None and new_name != issue.name:
        require_visible("new_name", new_name)
        remember_new(tx, Kind.ISSUE, issue.issue_id, new_name)
        values |= {"name": new_name, "name_key": key(new_name)}
        subject = Subject(issue.issue_id, new_name)
        renamed = Change(type=EventType.ISSUE_UPDATED, issue=subject, field="name", before=issue.name, after=new_name)
        changes.append(renamed)
    if description is not None and (description or None) != issue.description:
        values |= {"description": description or None, "description_key": search_key(description)}
        changes.append(Change(type=EventType.ISSUE_UPDATED, issue=subject, field="description", note="description"))
    given = changed_fields(tx, issue.fields, fields)
    values |= {change.column: change.stored for change in given}
    changes += [
        Change(type=EventType.ISSUE_UPDATED, issue=subject, field=one.name, before=one.before, after=one.after)
        for one in given
    ]
    if values:
        _require_whole(tx, actor, issue)
        try:
            with tx.begin_nested():
                tx.execute(update(issues).where(issues.c.issue_id == issue.issue_id).values(**values, edited_at=at))
                if "name_key" in values:
                    members = update(assignments).where(assignments.c.issue_id == issue.issue_id)
                    tx.execute(members.values(issue_key=values["name_key"]))
        except IntegrityError:
            taken = new_name if "name_key" in values else None
            raise _taken(tx, actor, "new_name", taken, fields, other_than=issue.issue_id) from None
        index_fields(tx, issue.issue_id, given)
        if "name_key" in values:
            _rename(tx, issue, str(new_name), at)
    changes += add(tx, actor, subject, add_members, at, "add_companies")
    if changes:
        touch_issue(tx, issue, at)
        record(tx, actor, changes, at, notify=notify)
    return get_issue_head_by_id(tx, actor, issue.issue_id)


def _rename(tx: Connection, issue: IssueHead, name: str, at: datetime) -> None:
    """Stores the former name, unless the new one differs only in case."""
    remove_former_name(tx, name)
    if key(name) != key(issue.name):
        add_former_name(tx, issue.issue_id, issue.name, at)


def delete_issue(tx: Connection, actor: Actor, issue: IssueHead) -> None:
    """Deletes an issue with its assignments, but not its history.

    `issue` must have been read with a lock in this transaction. Raises Forbidden unless the actor is a super admin, and
    while the issue has companies that the actor may not see.
    """
    require_super_admin(actor)
    _require_whole(tx, actor, issue)
    tx.execute(delete(assignments).where(assignments.c.issue_id == issue.issue_id))
    tx.execute(delete(issues).where(issues.c.issue_id == issue.issue_id))
    forget(tx, Kind.ISSUE, issue.issue_id)
    change = Change(type=EventType.ISSUE_DELETED, issue=Subject(issue.issue_id, issue.name))
    record(tx, actor, [change], issue.time_of_change())


def _require_whole(tx: Connection, actor: Actor, issue: IssueHead) -> None:
    """Raises Forbidden unless the actor may see all assignments. The sentence reveals nothing about the others."""
    if has_hidden_assignments(tx, actor, issue.issue_id):
        raise Forbidden("You cannot change this issue itself or delete it; ask someone who can see all companies.")


def _taken(
    tx: Connection, actor: Actor, field: str, name: str | None, fields: IssueFields, *, other_than: int | None = None
) -> Invalid:
    """Returns the error for a name or an external key that another issue has; for both if both are taken.

    They are looked up, because the error of the database names only one of the two, and PostgreSQL names another one
    than SQLite.
    """
    wrong = _taken_fields(tx, actor, field, name, fields.external_key, other_than=other_than)
    # The other issue may be gone again.
    return Invalid.of(wrong) if wrong else Invalid("Another issue was changed at the same time. Try again.")


def _taken_fields(
    tx: Connection, actor: Actor, field: str, name: str | None, external_key: object, *, other_than: int | None
) -> list[FieldError]:
    """Returns errors for a name and an external key that an issue has, even a hidden one, except `other_than`. `name`
    is None if it does not change.
    """
    wrong: list[FieldError] = []
    named = None if name is None else find_issue_head(tx, actor.unlimited, name)
    if named is not None and named.issue_id != other_than:
        wrong.append(FieldError(field, f"an issue called “{name}” already exists"))
    keyed = None
    if isinstance(external_key, str):
        keyed = find_issue_head_by_external_key(tx, actor.unlimited, external_key)
    if keyed is not None and keyed.issue_id != other_than:
        wrong.append(FieldError("external_key", f"another issue has the external key “{external_key}”"))
    return wrong
