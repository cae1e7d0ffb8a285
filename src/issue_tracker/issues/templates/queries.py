"""Reads of templates. A template contains only those of its companies and groups that the actor can see.

An actor with limited company access sees a template for certain companies only if at least one of them is visible.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.companies.groups.queries import list_groups
from issue_tracker.database.tables import companies, issue_template_companies, issue_template_groups, issue_templates
from issue_tracker.errors import NotFound
from issue_tracker.integers import LARGEST_ID
from issue_tracker.issues.models import SEVERITIES, Severity, read_tags


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Initial values for a new issue. `name_pattern` is the pattern of its name, in which `{date}`, `{month}` and
    `{time}` stand for the values in UTC; `first_update` is the text of an update that is added when the issue is
    created.
    """

    template_id: int
    name: str
    name_pattern: str | None
    description: str | None
    severity: Severity | None
    tags: list[str]
    company_groups: list[str]
    company_names: list[str]
    first_update: str | None
    first_update_public: bool


def list_templates(tx: Connection, actor: Actor) -> list[Template]:
    """Returns all templates, ordered by casefolded name. Raises Forbidden without helpdesk access."""
    require_helpdesk(actor)
    return _loaded(tx, actor, select(issue_templates).order_by(issue_templates.c.name_key))


def get_template(tx: Connection, actor: Actor, template_id: int, *, lock: bool = False) -> Template:
    """Returns the template with this id. Raises NotFound, which names the id.

    With `lock`, other changes to the template wait until the transaction ends.
    """
    require_helpdesk(actor)
    query = select(issue_templates).where(issue_templates.c.template_id == template_id)
    found = []
    if 0 < template_id <= LARGEST_ID:
        found = _loaded(tx, actor, query.with_for_update() if lock else query)
    if not found:
        raise NotFound(f"There is no template with the id {template_id}.")
    return found[0]


def _loaded(tx: Connection, actor: Actor, query: Select[Any]) -> list[Template]:
    rows = tx.execute(query).all()
    ids = [row.template_id for row in rows]
    groups = {group.group_id: group.name for group in list_groups(tx, actor)} if rows else {}
    of_groups = _members(tx, select(issue_template_groups).where(issue_template_groups.c.template_id.in_(ids)))
    named = (
        select(issue_template_companies.c.template_id, companies.c.company_id, companies.c.name)
        .join(companies, companies.c.company_id == issue_template_companies.c.company_id)
        .where(issue_template_companies.c.template_id.in_(ids))
        .order_by(companies.c.name_key, companies.c.company_id)
    )
    names: dict[int, list[str]] = {}
    limited: set[int] = set(of_groups)
    for row in tx.execute(named):
        limited.add(row.template_id)
        if actor.company_access.allows(row.company_id):
            names.setdefault(row.template_id, []).append(row.name)
    loaded = []
    for row in rows:
        visible = [name for group_id, name in groups.items() if group_id in of_groups.get(row.template_id, ())]
        found = names.get(row.template_id, [])
        if actor.company_access.all or visible or found or row.template_id not in limited:
            loaded.append(_template(row, visible, found))
    return loaded


def _members(tx: Connection, query: Select[Any]) -> Mapping[int, Sequence[int]]:
    found: dict[int, list[int]] = {}
    for template_id, group_id in tx.execute(query):
        found.setdefault(template_id, []).append(group_id)
    return found


def _template(row: Any, groups: list[str], names: list[str]) -> Template:
    return Template(
        template_id=row.template_id,
        name=row.name,
        name_pattern=row.name_pattern,
        description=row.description,
        severity=SEVERITIES[row.severity],
        tags=read_tags(row.tags),
        company_groups=groups,
        company_names=names,
        first_update=row.first_update,
        first_update_public=bool(row.first_update_public),
    )
