"""Merging issues (contract section 13)."""

from issue_tracker_client.models import Issue, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.spelling import named, posted
from issue_tracker_client.steps import Plan

read_issue = decoder(Issue)


def merge_issues(
    session: Session,
    issue_name: str | None,
    into: str,
    *,
    external_key: str | None = None,
    dry_run: bool = False,
    idempotency_key: str | None = None,
) -> Plan[Issue]:
    """Merges an issue into another one, and returns the latter; with `dry_run`, returns the result without changing
    anything.

    A company in both gets the less finished status. `external_key` identifies the former instead of its name, which may
    then be None. Raises Forbidden if the user does not see all companies of both.
    """
    body = named(issue_name, external_key) | {"into": into}
    if dry_run:
        body["dry_run"] = True
    return read_issue((yield from session.perform(posted("/api/issues/merge", body, idempotency_key))))
