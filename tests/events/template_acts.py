"""The changes to company groups and to templates of issues, for test_recorded.py."""

from collections.abc import Callable

from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.companies.groups.operations import create_group, delete_group, update_group
from issue_tracker.companies.groups.queries import list_groups
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.events.catalog import EventType
from issue_tracker.issues.templates.operations import (
    TemplateFields,
    create_template,
    delete_template,
    update_template,
)
from issue_tracker.issues.templates.queries import list_templates
from issue_tracker.names import parse_name

ADA = command_line("Ada Lund")


def given_group_and_template(tx: Connection) -> None:
    """Creates a group with Contoso, and a template for it."""
    _group(tx, "North")
    _template(tx, "Lines")


def _group(tx: Connection, name: str) -> None:
    create_group(tx, ADA, parse_name(name), [get_company_by_name(tx, ADA, "Contoso")])


def _template(tx: Connection, name: str) -> None:
    company = get_company_by_name(tx, ADA, "Contoso")
    create_template(tx, ADA, TemplateFields(name=parse_name(name), companies=[company]))


def _group_id(tx: Connection) -> int:
    return list_groups(tx, ADA)[0].group_id


def _template_id(tx: Connection) -> int:
    return list_templates(tx, ADA)[0].template_id


TEMPLATE_ACTS: dict[EventType, Callable[[Connection], object]] = {
    EventType.COMPANY_GROUP_CREATED: lambda tx: _group(tx, "South"),
    EventType.COMPANY_GROUP_UPDATED: lambda tx: update_group(tx, ADA, _group_id(tx), companies=[]),
    EventType.COMPANY_GROUP_DELETED: lambda tx: delete_group(tx, ADA, _group_id(tx)),
    EventType.TEMPLATE_CREATED: lambda tx: _template(tx, "New"),
    EventType.TEMPLATE_UPDATED: lambda tx: update_template(tx, ADA, _template_id(tx), TemplateFields(companies=[])),
    EventType.TEMPLATE_DELETED: lambda tx: delete_template(tx, ADA, _template_id(tx)),
}
