"""Changes to templates. Every function here raises Forbidden unless the actor is a super admin who sees all companies;
other actors could change templates whose companies they cannot see.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.clock import now
from issue_tracker.companies.groups.queries import CompanyGroup
from issue_tracker.companies.queries import Company
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import issue_template_companies, issue_template_groups, issue_templates
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.issues.fields import stored_tags
from issue_tracker.issues.models import Severity
from issue_tracker.issues.templates.queries import Template, get_template
from issue_tracker.names import Name, key
from issue_tracker.new_names import require_visible

MOST = 500
"""Maximum number of templates: forms list all of them."""


class TemplateFields(msgspec.Struct, frozen=True, kw_only=True):
    """Values for the fields of a template. UNSET keeps a field as it is; None, or an empty list, clears it."""

    name: Name | UnsetType = UNSET
    name_pattern: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    severity: Severity | UnsetType | None = UNSET
    tags: Sequence[str] | UnsetType | None = UNSET
    groups: Sequence[CompanyGroup] | UnsetType | None = UNSET
    companies: Sequence[Company] | UnsetType | None = UNSET
    first_update: str | UnsetType | None = UNSET
    first_update_public: bool | UnsetType = UNSET


def create_template(tx: Connection, actor: Actor, fields: TemplateFields) -> Template:
    """Creates a template; `fields.name` is required.

    Raises Invalid if the name is taken or contains an invisible character, and if there are already MOST templates.
    """
    require_administrator(actor)
    if tx.execute(select(func.count()).select_from(issue_templates)).scalar_one() >= MOST:
        raise Invalid(f"There are {MOST} templates, which is the maximum. Delete one first.")
    at = now()
    values = {"first_update_public": False} | _values(fields) | {"created_at": at, "updated_at": at}
    try:
        with tx.begin_nested():
            template_id = created_id(tx.execute(insert(issue_templates).values(**values)))
    except IntegrityError:
        raise _taken(fields) from None
    _choose(tx, template_id, fields)
    record(tx, actor, [Change(type=EventType.TEMPLATE_CREATED, after=str(fields.name))], at)
    return get_template(tx, actor, template_id)


def update_template(tx: Connection, actor: Actor, template_id: int, fields: TemplateFields) -> Template:
    """Changes the fields that are not UNSET. Raises NotFound, and Invalid as create_template does."""
    require_administrator(actor)
    before = get_template(tx, actor, template_id, lock=True)
    at = now()
    try:
        with tx.begin_nested():
            same = issue_templates.c.template_id == template_id
            tx.execute(update(issue_templates).where(same).values(**_values(fields), updated_at=at))
            _choose(tx, template_id, fields)
            after = get_template(tx, actor, template_id)
            if after == before:
                # Nothing was changed, so `updated_at` must not change either.
                raise _Unchanged
    except IntegrityError:
        raise _taken(fields) from None
    except _Unchanged:
        return before
    changed = [name for name in Template.__struct_fields__ if getattr(after, name) != getattr(before, name)]
    change = Change(
        type=EventType.TEMPLATE_UPDATED,
        before=before.name if after.name != before.name else None,
        after=after.name,
        note=", ".join(name.replace("_", " ") for name in changed if name != "name") or None,
    )
    record(tx, actor, [change], at)
    return after


def delete_template(tx: Connection, actor: Actor, template_id: int) -> Template:
    """Deletes a template and returns it; issues that were created from it remain. Raises NotFound."""
    require_administrator(actor)
    template = get_template(tx, actor, template_id, lock=True)
    tx.execute(delete(issue_templates).where(issue_templates.c.template_id == template_id))
    record(tx, actor, [Change(type=EventType.TEMPLATE_DELETED, after=template.name)], now())
    return template


class _Unchanged(Exception):
    """Rolls back an update that changes nothing."""


def _values(fields: TemplateFields) -> dict[str, Any]:
    """Returns the values of the columns to store."""
    values: dict[str, Any] = {}
    if not isinstance(fields.name, UnsetType):
        require_visible("name", fields.name)
        values |= {"name": fields.name, "name_key": key(fields.name)}
    for name in ("name_pattern", "description", "first_update"):
        if (text := getattr(fields, name)) is not UNSET:
            values[name] = text or None
    if not isinstance(fields.severity, UnsetType):
        values["severity"] = fields.severity and fields.severity.value
    if not isinstance(fields.tags, UnsetType):
        values["tags"] = stored_tags(fields.tags)
    if not isinstance(fields.first_update_public, UnsetType):
        values["first_update_public"] = fields.first_update_public
    return values


def _choose(tx: Connection, template_id: int, fields: TemplateFields) -> None:
    """Replaces the companies and the groups, unless they are UNSET."""
    if not isinstance(fields.groups, UnsetType):
        tx.execute(delete(issue_template_groups).where(issue_template_groups.c.template_id == template_id))
        _add(
            tx,
            issue_template_groups,
            [{"template_id": template_id, "group_id": g.group_id} for g in fields.groups or ()],
        )
    if not isinstance(fields.companies, UnsetType):
        tx.execute(delete(issue_template_companies).where(issue_template_companies.c.template_id == template_id))
        ids = [company.company_id for company in fields.companies or ()]
        _add(tx, issue_template_companies, [{"template_id": template_id, "company_id": id_} for id_ in ids])


def _add(tx: Connection, table: Any, rows: Sequence[Mapping[str, int]]) -> None:
    if not rows:
        return
    try:
        with tx.begin_nested():
            tx.execute(insert(table), rows)
    except IntegrityError:
        raise Invalid("A company or a group of the template was just deleted; nothing was changed.") from None


def _taken(fields: TemplateFields) -> Invalid:
    return Invalid.field("name", f"a template called “{fields.name}” already exists")
