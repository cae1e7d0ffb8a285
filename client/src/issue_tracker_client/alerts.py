"""Alerts of monitoring systems: contract section 14. Reporting the same state again is safe; it is only counted.

Every function raises Refused (its subclass by status) when the server refuses, and Unreachable when there is no
response.
"""

from issue_tracker_client.models import Alert, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.spelling import posted
from issue_tracker_client.steps import Plan

ALERTS = "/api/alerts"

read_alert = decoder(Alert)


def raise_alert(
    session: Session,
    key: str,
    issue: str,
    company: str,
    *,
    severity: str | None = None,
    summary: str | None = None,
    url: str | None = None,
    strict: bool = False,
    idempotency_key: str | None = None,
) -> Plan[Alert]:
    """Reports that the fault with this key exists, and returns the effect (`action`).

    The issue is opened, or the company is assigned to it, unless this is already the case; changes that people made are
    not overwritten. `severity` and `summary` are used only for a new issue. A company that does not exist makes the
    alert `unsorted`, and with `strict` raises NotFound.
    """
    body: dict[str, object] = {"key": key, "state": "firing", "issue": issue, "company": company}
    given = {"severity": severity, "summary": summary, "url": url, "strict": strict or None}
    body |= {field: value for field, value in given.items() if value is not None}
    return read_alert((yield from session.perform(posted(ALERTS, body, idempotency_key))))


def clear_alert(
    session: Session, key: str, *, summary: str | None = None, idempotency_key: str | None = None
) -> Plan[Alert]:
    """Reports that the fault with this key is over. Its assignment is resolved unless a person has changed it since."""
    body = {"key": key, "state": "resolved"} | ({} if summary is None else {"summary": summary})
    return read_alert((yield from session.perform(posted(ALERTS, body, idempotency_key))))
