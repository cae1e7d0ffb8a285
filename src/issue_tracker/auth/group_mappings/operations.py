"""Operations on group mappings, and their effect on the members. Identity providers and SCIM share this table.

A mapping grants permissions, so changing one needs a super admin with access to all companies and fresh proof.
"""

from collections.abc import Collection

import msgspec
import structlog
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.auth.company_access import CUSTOMER_SEES_SOME, set_company_access
from issue_tracker.auth.group_mappings.queries import GroupMapping, get_mapping
from issue_tracker.auth.single_sign_on.break_glass import is_break_glass
from issue_tracker.auth.users import get_user, update_user
from issue_tracker.clock import now
from issue_tracker.company_access.grants import Grant
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import group_mapping_companies, group_mapping_company_groups, group_mappings
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.looks import invisible
from issue_tracker.names import storable
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.sign_in")

SCIM = "scim"
"""The source of groups that arrive by SCIM."""

GROUP_LIMIT = 255

_RANKS = {Role.SUPER_ADMIN: 3, Role.TECHNICIAN: 2, Role.CUSTOMER: 1, Role.MEMBER: 0}
"""Of several roles, the one with the most rights applies."""


class MappingFields(msgspec.Struct, frozen=True):
    """The desired state of a mapping. `grant` is None for all companies."""

    source: str
    group: str
    role: Role
    grant: Grant | None


def create_mapping(tx: Connection, actor: Actor, settings: Settings, fields: MappingFields) -> GroupMapping:
    """Adds a mapping, which applies from the next sign-in of each member.

    Raises Invalid for a source that is not configured and for a group that has a mapping; Forbidden; and
    ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    _check(settings, fields)
    at = now()
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(group_mappings).values(**_columns(fields), created_at=at, updated_at=at))
    except IntegrityError:
        raise _taken(fields) from None
    mapping_id = created_id(inserted)
    _grant(tx, mapping_id, fields.grant)
    _record(tx, actor, EventType.GROUP_MAPPING_CREATED, fields)
    return get_mapping(tx, actor, mapping_id)


def update_mapping(
    tx: Connection, actor: Actor, settings: Settings, mapping_id: int, fields: MappingFields
) -> GroupMapping:
    """Replaces a mapping. Raises NotFound, and whatever create_mapping raises."""
    require_administrator(actor)
    require_fresh_proof(actor)
    get_mapping(tx, actor, mapping_id, lock=True)
    _check(settings, fields)
    same = group_mappings.c.id == mapping_id
    try:
        with tx.begin_nested():
            tx.execute(update(group_mappings).where(same).values(**_columns(fields), updated_at=now()))
    except IntegrityError:
        raise _taken(fields) from None
    _grant(tx, mapping_id, fields.grant)
    _record(tx, actor, EventType.GROUP_MAPPING_UPDATED, fields)
    return get_mapping(tx, actor, mapping_id)


def delete_mapping(tx: Connection, actor: Actor, mapping_id: int) -> None:
    """Deletes a mapping. Members lose what it granted at their next sign-in. Raises NotFound, and like
    create_mapping.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    mapping = get_mapping(tx, actor, mapping_id, lock=True)
    tx.execute(delete(group_mappings).where(group_mappings.c.id == mapping_id))
    fields = MappingFields(mapping.source, mapping.group, mapping.role, None)
    _record(tx, actor, EventType.GROUP_MAPPING_DELETED, fields)


def apply_groups(
    tx: Connection, actor: Actor, settings: Settings, user_id: int, source: str, groups: Collection[str]
) -> None:
    """Gives a user the role and the company access of their groups. `actor` is the provider, or SCIM.

    Of several mappings, the role with the most rights applies, and the union of their company accesses. Without any
    matching mapping, the user becomes a member, who has no helpdesk access. While a source has no mappings at all,
    roles are administered here, and nothing changes. A break-glass account never changes; and the last super admin with
    access to all companies stays one, whatever the groups say.
    """
    rows = tx.execute(select(group_mappings).where(group_mappings.c.source == source)).all()
    user = get_user(tx, user_id)
    if not rows or is_break_glass(settings, user.email):
        return
    matching = [row for row in rows if row.group_name in groups]
    role = max((Role(row.role) for row in matching), key=_RANKS.__getitem__, default=Role.MEMBER)
    try:
        with tx.begin_nested():
            update_user(tx, actor, user_id, role=role)
            seeing = [row for row in matching if row.role != Role.MEMBER.value]
            if seeing:
                everything = any(row.all_companies for row in seeing)
                granted = None if everything else _granted(tx, [row.id for row in seeing])
                set_company_access(tx, actor, user_id, granted)
    except Invalid as refused:
        log.warning("groups were not applied", user_id=user_id, source=source, reason=refused.detail)


def _granted(tx: Connection, mapping_ids: Collection[int]) -> Grant:
    direct, grouped = group_mapping_companies.c, group_mapping_company_groups.c
    company_ids = tx.execute(select(direct.company_id).where(direct.mapping_id.in_(mapping_ids))).scalars()
    group_ids = tx.execute(select(grouped.group_id).where(grouped.mapping_id.in_(mapping_ids))).scalars()
    return Grant(sorted(set(company_ids)), sorted(set(group_ids)))


def _check(settings: Settings, fields: MappingFields) -> None:
    sources = {SCIM, *(provider.id for provider in settings.providers)}
    wrong = []
    if fields.source not in sources:
        wrong.append(FieldError("source", f"must be one of {', '.join(sorted(sources))}"))
    if not 0 < len(fields.group) <= GROUP_LIMIT or not storable(fields.group):
        wrong.append(FieldError("group", f"must have 1 to {GROUP_LIMIT} characters"))
    elif reason := invisible(fields.group):
        wrong.append(FieldError("group", reason))
    if fields.role is Role.CUSTOMER and fields.grant is None:
        wrong.append(FieldError("company_access", CUSTOMER_SEES_SOME))
    if wrong:
        raise Invalid.of(wrong)


def _columns(fields: MappingFields) -> dict[str, object]:
    return {
        "source": fields.source,
        "group_name": fields.group,
        "role": fields.role.value,
        "all_companies": fields.grant is None,
    }


def _grant(tx: Connection, mapping_id: int, grant: Grant | None) -> None:
    for table in (group_mapping_companies, group_mapping_company_groups):
        tx.execute(delete(table).where(table.c.mapping_id == mapping_id))
    if grant is not None and grant.company_ids:
        rows = [{"mapping_id": mapping_id, "company_id": company_id} for company_id in sorted(set(grant.company_ids))]
        tx.execute(insert(group_mapping_companies), rows)
    if grant is not None and grant.group_ids:
        rows = [{"mapping_id": mapping_id, "group_id": group_id} for group_id in sorted(set(grant.group_ids))]
        tx.execute(insert(group_mapping_company_groups), rows)


def _record(tx: Connection, actor: Actor, type_: EventType, fields: MappingFields) -> None:
    note = f"{fields.source}: {fields.group} (role: {fields.role.value})"
    record(tx, actor, [Change(type=type_, note=note)], now())


def _taken(fields: MappingFields) -> Invalid:
    return Invalid.field("group", f"has a mapping of “{fields.source}” already")
