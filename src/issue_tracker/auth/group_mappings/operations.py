"""Operations on group mappings, and their effect on the members. Identity providers and SCIM share this table.

A mapping grants permissions, so changing one needs a super admin with access to all companies and fresh proof.
"""

import msgspec
from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.auth.company_access import CUSTOMER_SEES_SOME
from issue_tracker.auth.group_mappings.queries import SCIM, GroupMapping, get_mapping
from issue_tracker.auth.scim.memberships import apply_to_members
from issue_tracker.clock import now
from issue_tracker.company_access.grants import Grant
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import group_mapping_companies, group_mapping_company_groups, group_mappings
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.looks import illegible
from issue_tracker.names import storable
from issue_tracker.settings import Settings

GROUP_LIMIT = 255


class MappingFields(msgspec.Struct, frozen=True):
    """The desired state of a mapping. `grant` is None for all companies."""

    source: str
    group: str
    role: Role
    grant: Grant | None


def create_mapping(tx: Connection, actor: Actor, settings: Settings, fields: MappingFields) -> GroupMapping:
    """Adds a mapping, which applies from the next sign-in of each member; a SCIM mapping applies immediately.

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
    _apply(tx, actor, settings, fields)
    return get_mapping(tx, actor, mapping_id)


def update_mapping(
    tx: Connection, actor: Actor, settings: Settings, mapping_id: int, fields: MappingFields
) -> GroupMapping:
    """Replaces a mapping. Raises NotFound, and whatever create_mapping raises."""
    require_administrator(actor)
    require_fresh_proof(actor)
    former = get_mapping(tx, actor, mapping_id, lock=True)
    _check(settings, fields)
    same = group_mappings.c.id == mapping_id
    try:
        with tx.begin_nested():
            tx.execute(update(group_mappings).where(same).values(**_columns(fields), updated_at=now()))
    except IntegrityError:
        raise _taken(fields) from None
    _grant(tx, mapping_id, fields.grant)
    _record(tx, actor, EventType.GROUP_MAPPING_UPDATED, fields)
    _apply(tx, actor, settings, former, fields)
    return get_mapping(tx, actor, mapping_id)


def delete_mapping(tx: Connection, actor: Actor, settings: Settings, mapping_id: int) -> None:
    """Deletes a mapping. Members lose the granted rights at their next sign-in, members of a SCIM group immediately.

    With the last mapping of its source, nobody loses any: from then on, roles are administered in this product.

    Raises NotFound, and like create_mapping.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    mapping = get_mapping(tx, actor, mapping_id, lock=True)
    tx.execute(delete(group_mappings).where(group_mappings.c.id == mapping_id))
    fields = MappingFields(mapping.source, mapping.group, mapping.role, None)
    _record(tx, actor, EventType.GROUP_MAPPING_DELETED, fields)
    _apply(tx, actor, settings, mapping)


def _apply(tx: Connection, actor: Actor, settings: Settings, *changed: MappingFields | GroupMapping) -> None:
    """Applies changed SCIM mappings. The groups of other providers are known only when a member signs in."""
    groups = {mapping.group for mapping in changed if mapping.source == SCIM}
    if groups:
        apply_to_members(tx, actor, settings, groups)


def _check(settings: Settings, fields: MappingFields) -> None:
    sources = {SCIM, *(provider.id for provider in settings.providers)}
    wrong = []
    if fields.source not in sources:
        wrong.append(FieldError("source", f"must be one of {', '.join(sorted(sources))}"))
    if not 0 < len(fields.group) <= GROUP_LIMIT or not storable(fields.group):
        wrong.append(FieldError("group", f"must have 1 to {GROUP_LIMIT} characters"))
    elif reason := illegible(fields.group):
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
    return Invalid.field("group", f"already has a mapping of “{fields.source}”")
