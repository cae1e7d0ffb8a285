"""The validators of issues and lists (RFC 9110, section 8.8; contract, section 5), and If-Match on an issue."""

import msgspec

from issue_tracker.errors import PreconditionFailed
from issue_tracker.events.queries.log import LogState
from issue_tracker.http.conditional import digest, matches
from issue_tracker.http.request import Request
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import load_issue


def list_etag(request: Request, state: LogState, *representation: str) -> str:
    """Returns a validator for any read of issues and companies, from the state of the log in the same transaction.

    Every change of data writes an event in its own transaction, so the state of the log identifies the state of all
    data (docs/decisions/0005-etags.md). `representation` distinguishes responses made from the same state; so does
    the company access of the actor, which the state of the log includes.
    """
    parts = (
        request.app_state.history.identity,
        state.key(request.actor.company_access),
        request.path,
        request.query_text,
        *representation,
    )
    return f'"{digest(chr(10).join(parts).encode("utf-8", "replace"))}"'


def issue_etag(request: Request, issue: IssueHead) -> str:
    """Returns an issue's validator, which covers the issue and all of its assignments that the actor may see.

    The history identity and the time of the last change distinguish it from validators that were issued before the
    database was restored. For a limited company access the validator is computed from the visible content, with all
    details, because the revision also counts changes that this actor may not see.
    """
    if not request.actor.company_access.all:
        seen = msgspec.json.encode(load_issue(request.tx, request.actor, issue.issue_id, details=True))
        return f'"{issue.issue_id}-{digest(seen + request.app_state.history.identity.encode())}"'
    parts = (issue.updated_at.isoformat(), request.app_state.history.identity, request.actor.company_access.key)
    return f'"{issue.issue_id}-{issue.revision}-{digest(" ".join(parts).encode())[:12]}"'


def with_details(etag: str) -> str:
    """Returns the validator of the issue with details, which is another representation of the same version."""
    return f'{etag[:-1]}-d"'


def check_if_match(request: Request, issue: IssueHead) -> None:
    """Raises PreconditionFailed unless If-Match is absent or names the issue's current validator.

    `issue` must have been read with a lock in the transaction of the change, before that transaction writes anything.
    """
    stale = find_mismatch(request, issue)
    if stale is not None:
        raise stale


def find_mismatch(request: Request, issue: IssueHead) -> PreconditionFailed | None:
    """Returns the error that check_if_match would raise, for a handler that raises other errors first."""
    header = request.header("if-match")
    if header is None:
        return None
    current = issue_etag(request, issue)
    if matches(header, current) or matches(header, with_details(current)):
        return None
    return PreconditionFailed("The issue has changed since you read it; read it again.", headers={"ETag": current})
