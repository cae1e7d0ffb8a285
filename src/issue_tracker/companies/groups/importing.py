"""Imports company groups from CSV: one row per company in a group, with the columns `company_name` and `group`."""

import io
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import Connection

from issue_tracker import csv_files
from issue_tracker.actor import Actor, require_administrator
from issue_tracker.companies.groups.operations import create_group, update_group
from issue_tracker.companies.groups.queries import list_companies_of, list_groups, lock_group
from issue_tracker.companies.queries import Company, find_companies
from issue_tracker.csv_files import BadRow, CsvRow, restore
from issue_tracker.looks import illegible
from issue_tracker.names import Name, key, parse_name

COLUMNS = ("company_name", "group")


class GroupRow(msgspec.Struct, frozen=True):
    """A company in a group, and the line number in the file."""

    line: int
    company_name: Name
    group: Name


class ImportedGroups(msgspec.Struct, frozen=True):
    """The numbers of groups that were created, changed and unchanged (after a dry run, that would be); or the reasons
    why nothing can be imported.
    """

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: Sequence[BadRow] = ()

    @property
    def sentence(self) -> str:
        """The result as a sentence for users."""
        groups = "group" if self.created == 1 else "groups"
        return f"{self.created} {groups} created, {self.changed} changed, {self.unchanged} unchanged."


def read_file(path: str) -> Iterator[GroupRow | BadRow]:
    """Yields the rows of a CSV file; columns with other names are ignored. Raises BadFile if it is not valid CSV."""
    return map(_parsed, csv_files.read(path, columns=COLUMNS, required=COLUMNS, ignore_others=True))


def read_text(text: str) -> Iterator[GroupRow | BadRow]:
    """Yields the rows of a CSV text, with or without a byte order mark. Raises BadFile as `read_file` does."""
    lines = iter(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    return map(_parsed, csv_files.read_lines(lines, columns=COLUMNS, required=COLUMNS, ignore_others=True))


def import_groups(
    tx: Connection, actor: Actor, rows: Iterable[GroupRow | BadRow], *, replace: bool = False, dry_run: bool = False
) -> ImportedGroups:
    """Adds companies to groups, and creates missing groups; changes nothing if a row is bad or names an unknown
    company. With `replace`, the other companies of each group in the file are removed from it. A dry run only returns
    what would be done.

    Raises Forbidden unless `actor` is a super admin who sees all companies, and as `update_group` does.
    """
    require_administrator(actor)
    listed = list(rows)
    good = [row for row in listed if isinstance(row, GroupRow)]
    companies = find_companies(tx, actor, [row.company_name for row in good])
    present = {key(group.name): group for group in list_groups(tx, actor)}
    bad = [row for row in listed if isinstance(row, BadRow)]
    for row in good:
        reason = illegible(row.group) if key(row.group) not in present else None
        if key(row.company_name) not in companies:
            bad.append(BadRow(row.line, f"there is no company called “{row.company_name}”"))
        elif reason is not None:
            bad.append(BadRow(row.line, f"group {reason}"))
    if bad:
        return ImportedGroups(bad=sorted(bad, key=lambda row: row.line))
    names: dict[str, Name] = {}
    wanted: dict[str, dict[int, Company]] = {}
    for row in good:
        names.setdefault(key(row.group), row.group)
        company = companies[key(row.company_name)]
        wanted.setdefault(key(row.group), {})[company.company_id] = company
    if not dry_run:
        # In one order, and before new names are stored, so that imports and changes of groups do not deadlock.
        for group_id in sorted(present[group_key].group_id for group_key in wanted if group_key in present):
            lock_group(tx, actor, group_id)
    created = changed = 0
    for group_key, members in sorted(wanted.items()):
        group = present.get(group_key)
        if group is None:
            created += 1
            if not dry_run:
                create_group(tx, actor, names[group_key], list(members.values()))
            continue
        before = {company.company_id: company for company in list_companies_of(tx, actor, [group.group_id])}
        after = members if replace else before | members
        if before.keys() == after.keys():
            continue
        changed += 1
        if not dry_run:
            update_group(tx, actor, group.group_id, companies=list(after.values()))
    return ImportedGroups(created, changed, len(wanted) - created - changed)


def _parsed(row: CsvRow | BadRow) -> GroupRow | BadRow:
    if isinstance(row, BadRow):
        return row
    step = "company_name"
    try:
        company = parse_name(restore(row.cells["company_name"]))
        step = "group"
        return GroupRow(row.line, company, parse_name(restore(row.cells["group"])))
    except ValueError as refused:
        return BadRow(row.line, f"{step} {refused}")
