"""The columns of a CSV file in addition to those of the contract: the fields of issues and of assignments.

An export contains them with `include=details`. An import sets the fields of issues; it does not set those of
assignments.
"""

from collections.abc import Mapping
from typing import Any

from issue_tracker.issues.field_texts import write_fields, write_owner, write_references
from issue_tracker.issues.fields import FIELDS, MOST_ITEMS, WrittenFields
from issue_tracker.issues.models import DetailedAssignment, Issue
from issue_tracker.issues.queries.owners import Emails
from issue_tracker.names import key

OF_ASSIGNMENTS = ("affected_since", "assignment_owner", "assignment_references")
COLUMNS = (*FIELDS, *OF_ASSIGNMENTS)


def cells_of_issue(issue: Issue, emails: Emails) -> list[str]:
    """Returns the cells of the fields of an issue."""
    return list(write_fields(issue, FIELDS, emails).values())


def cells_of_assignment(member: DetailedAssignment, emails: Emails) -> list[str]:
    """Returns the cells of OF_ASSIGNMENTS."""
    return [member.affected_since or "", write_owner(member.owner, emails), write_references(member.references)]


def read_fields(cells: Mapping[str, str]) -> WrittenFields:
    """Returns the fields in the cells of a row. An empty cell leaves its field unchanged. Raises ValueError, with the
    column and the reason.
    """
    values = {}
    for column, field in FIELDS.items():
        text = cells.get(column, "").strip()
        if text:
            try:
                values[column] = value = field.read(text)
            except ValueError as refused:
                raise ValueError(f"{column} {refused}") from None
            if isinstance(value, list) and len(value) > MOST_ITEMS:
                raise ValueError(f"{column} must have at most {MOST_ITEMS} items")
    return WrittenFields(**values)


def comparable(column: str, value: Any) -> Any:
    """Returns the value of a column in a form that is equal for all values that mean the same, such as tags in another
    order, or an email address in another case.
    """
    if column == "owner":
        return key(value)
    return FIELDS[column].stored(value) if column in FIELDS else value
