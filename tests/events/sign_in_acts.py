"""The changes to linked identities and group mappings, for test_recorded.py."""

from collections.abc import Callable

from sqlalchemy import Connection

from issue_tracker.actor import Actor, Role
from issue_tracker.auth import users
from issue_tracker.auth.group_mappings.operations import (
    SCIM,
    MappingFields,
    create_mapping,
    delete_mapping,
    update_mapping,
)
from issue_tracker.auth.group_mappings.queries import list_mappings
from issue_tracker.auth.single_sign_on.identities import link_identity, list_identities, unlink_identity
from issue_tracker.clock import now
from issue_tracker.company_access.grants import Grant
from issue_tracker.events.catalog import EventType
from issue_tracker.settings import Settings
from tests.world import CAST

ADA = Actor(None, "Ada Lund", Role.SUPER_ADMIN, "session", "request-1", fresh_proof=True)


def given(tx: Connection) -> None:
    """Creates an identity of Tess, and a mapping."""
    _link(tx, "given")
    _map(tx, "given")


def _tess(tx: Connection) -> int:
    return users.get_user_by_email(tx, CAST["tess"][0]).user_id


def _link(tx: Connection, subject: str) -> None:
    link_identity(tx, ADA, _tess(tx), "https://login.example", subject, "tess@login.example", now())


def _fields(group: str, role: Role) -> MappingFields:
    return MappingFields(SCIM, group, role, Grant([], []))


def _map(tx: Connection, group: str) -> None:
    create_mapping(tx, ADA, Settings(), _fields(group, Role.TECHNICIAN))


def _mapping(tx: Connection) -> int:
    return list_mappings(tx, ADA)[0].id


SIGN_IN_ACTS: dict[EventType, Callable[[Connection], object]] = {
    EventType.IDENTITY_LINKED: lambda tx: _link(tx, "new"),
    EventType.IDENTITY_UNLINKED: lambda tx: unlink_identity(tx, ADA, _tess(tx), list_identities(tx, _tess(tx))[0].id),
    EventType.GROUP_MAPPING_CREATED: lambda tx: _map(tx, "new"),
    EventType.GROUP_MAPPING_UPDATED: lambda tx: update_mapping(
        tx, ADA, Settings(), _mapping(tx), _fields("given", Role.MEMBER)
    ),
    EventType.GROUP_MAPPING_DELETED: lambda tx: delete_mapping(tx, ADA, _mapping(tx)),
}
