"""The fields of an issue, and the filters of a list, as arguments of `issues`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict

from issue_tracker_client.errors import Misuse
from issue_tracker_client.spelling import several


class Fields(TypedDict, total=False):
    """The fields of an issue other than its name and description. A missing field or None leaves the value unchanged;
    an empty text or list clears it. `owner` is the email address of a technician. Each reference has the keys
    `system`, `key` and optionally `url`. Raises Misuse for a `next_update_at` without a time zone.
    """

    severity: str | None
    owner: str | None
    next_update_at: datetime | str | None
    tags: Iterable[str] | None
    references: Iterable[Mapping[str, str | None]] | None
    external_key: str | None


class AssignmentFields(TypedDict, total=False):
    """The fields of one company in an issue. A missing field or None leaves the value unchanged; an empty text or list
    clears it. `owner` and `references` are like those of an issue.
    """

    owner: str | None
    references: Iterable[Mapping[str, str | None]] | None


class Filter(TypedDict, total=False):
    """Which issues to list, in which order; None means no restriction.

    `status`, `company_id` and `company_group` (one or several values, any of which matches), `company_name`, `exclude`
    (names of companies that do not match) and `open` must hold for the same assignment; each issue lists only its
    matching assignments. `open` is True for assignments that are neither resolved nor closed, False for the others.
    `search` is a literal part of the name or description; `words` must all occur, each in the name, the description or
    the name of an affected company. `changed_since` is the `position` of a list from `poll_issues`: all issues that
    were changed since then. `owner` is an email address, `me` or `none`; `overdue` is True for issues whose next
    update is overdue; `unmoved_days` finds unfinished issues unchanged for so many days. `include="details"` sets more
    fields of assignments. `sort` is `name`, `updated_at`, `created_at` or `open_count`, with a leading `-` for
    descending order, or `attention`. Raises InvalidQuery for an unsupported status and for a position from before the
    server's database was restored from a backup, NotFound for an unknown company or group, Misuse for an
    `updated_since` without a time zone.
    """

    search: str | None
    words: str | None
    status: str | Iterable[str] | None
    company_id: int | Iterable[int] | None
    company_name: str | None
    company_group: str | Iterable[str] | None
    exclude: str | Iterable[str] | None
    open: bool | None
    updated_since: datetime | None
    changed_since: str | None
    severity: str | Iterable[str] | None
    owner: str | None
    tag: str | None
    reference: str | None
    overdue: bool | None
    unmoved_days: int | None
    include: str | None
    sort: str | None


def given_fields(fields: Fields | AssignmentFields) -> dict[str, object]:
    """Returns fields in the API's form, in which null clears."""
    given: dict[str, object] = {name: value for name, value in fields.items() if value is not None}
    due = given.get("next_update_at")
    if isinstance(due, datetime):
        if due.tzinfo is None:
            raise Misuse("next_update_at must have a time zone.")
        given["next_update_at"] = due.isoformat()
    for name in ("tags", "references"):
        value = given.get(name)
        if isinstance(value, Iterable):
            given[name] = several(name, value) if name == "tags" else list(value)
    return {name: value or None for name, value in given.items()}
