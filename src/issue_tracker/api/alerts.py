"""Alerts over HTTP (contract, section 14): monitoring systems report them, technicians list them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from sqlalchemy import Connection
from starlette.responses import Response

from issue_tracker.alerts.models import Alert, AlertOutcome, AlertState, Report
from issue_tracker.alerts.operations import receive
from issue_tracker.alerts.queries import Selection, count_alerts, list_alerts
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.http.idempotency import once
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.integers import Cursor
from issue_tracker.issues.models import Severity
from issue_tracker.names import END, Description, IssueName, Name

routes = Routes("Alerts")

MOST_REPORTS = 500
"""Maximum number of alerts in one request (contract, section 14)."""

Url = Annotated[str, Meta(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+" + END)]


class AlertReport(msgspec.Struct, forbid_unknown_fields=True):
    """A report about one alert. `key` identifies it; a firing one needs `issue` and `company`.

    `severity` and `summary`, which becomes the description, are for an issue that the alert opens. With `strict`, an
    unknown company is an error; without it, the alert is listed as unsorted.
    """

    key: Name
    state: AlertState
    issue: IssueName | None = None
    company: Name | None = None
    severity: Severity | None = None
    summary: Description | None = None
    url: Url | None = None
    strict: bool = False


class AlertReports(msgspec.Struct, forbid_unknown_fields=True):
    """One alert, or several in `alerts`, at most 500, of which all or none are processed."""

    key: Name | None = None
    state: AlertState | None = None
    issue: IssueName | None = None
    company: Name | None = None
    severity: Severity | None = None
    summary: Description | None = None
    url: Url | None = None
    strict: bool = False
    alerts: Annotated[list[AlertReport], Meta(max_length=MOST_REPORTS)] | None = None


class AlertOutcomeList(msgspec.Struct):
    """The outcomes of several reports, in the order of the request."""

    items: list[AlertOutcome]
    total: int


class AlertList(msgspec.Struct):
    """A page of alerts, the newest first. `total` counts all matches."""

    items: list[Alert]
    total: int


class AlertQuery(msgspec.Struct, kw_only=True):
    """The filters of a list of alerts."""

    state: Annotated[
        Literal["firing", "resolved", "unsorted"] | None,
        Meta(description="`unsorted`: alerts in either state whose issue or company is unknown."),
    ] = None
    before: Annotated[Cursor | None, Meta(description="Only alerts with a lower alert_id.")] = None
    limit: Annotated[
        int, Meta(ge=1, le=500, description="Maximum number of alerts; the Link header leads to the next page.")
    ] = 100


AT = "2025-01-04T10:15:00+00:00"
REPORT_EXAMPLE: dict[str, Any] = {
    "key": "wan-probe/acme",
    "state": "firing",
    "issue": "Network degradation",
    "company": "Acme Manufacturing",
    "severity": "high",
    "summary": "42 % packet loss on the primary line",
    "url": "https://monitoring.example/alerts/7",
}
OUTCOME_EXAMPLE: dict[str, Any] = {
    "key": "wan-probe/acme",
    "state": "firing",
    "action": "opened",
    "issue_name": "Network degradation",
    "company_name": "Acme Manufacturing",
    "status": "investigating",
    "count": 1,
}
ALERT_EXAMPLE: dict[str, Any] = {
    "alert_id": 9,
    "key": "wan-probe/acme",
    "state": "firing",
    "unsorted": False,
    "flapping": False,
    "issue": "Network degradation",
    "company": "Acme Manufacturing",
    "severity": "high",
    "summary": "42 % packet loss on the primary line",
    "url": "https://monitoring.example/alerts/7",
    "receiver": None,
    "labels": None,
    "issue_id": 7,
    "issue_name": "Network degradation",
    "company_id": 3,
    "company_name": "Acme Manufacturing",
    "status": "investigating",
    "count": 1,
    "first_at": AT,
    "changed_at": AT,
    "last_at": AT,
}


@routes.post(
    "/api/alerts",
    returns=Returns(200, AlertOutcome | AlertOutcomeList, OUTCOME_EXAMPLE),
    example=REPORT_EXAMPLE,
    errors=(404,),
    transaction=False,
)
def report_alerts(request: Request, body: AlertReports) -> Response:
    """Report that alerts are firing or resolved.

    A firing alert opens its issue, or assigns the company to it, with the status `investigating`. Repetitions are
    counted, and change nothing. A resolved alert resolves the assignment unless a person has changed it since.
    """
    reports = _reports(body)

    def respond(tx: Connection) -> Response:
        outcomes = receive(tx, request.actor, reports)
        single = body.alerts is None
        return json_response(outcomes[0] if single else AlertOutcomeList(outcomes, len(outcomes)))

    return request.write_together(lambda tx: once(request, lambda: respond(tx)))


@routes.get("/api/alerts", returns=Returns(200, AlertList, {"items": [ALERT_EXAMPLE], "total": 1}, headers=("Link",)))
def get_alerts(request: Request, query: AlertQuery) -> Response:
    """List alerts, the newest first, with the assignments that they are about."""
    unsorted = query.state == "unsorted"
    selection = Selection(
        state=None if unsorted or query.state is None else AlertState(query.state), unsorted=True if unsorted else None
    )
    items = list_alerts(request.tx, request.actor, selection, before=query.before, limit=query.limit + 1)
    more, items = len(items) > query.limit, items[: query.limit]
    response = json_response(AlertList(items, count_alerts(request.tx, request.actor, selection)))
    if more:
        others = [(name, value) for name, value in request.parameters if name != "before"]
        following = urlencode([*others, ("before", str(items[-1].alert_id))])
        response.headers["link"] = f'</api/alerts?{following}>; rel="next"'
    return response


def _reports(body: AlertReports) -> list[Report]:
    """Returns the reports of a body. Raises Invalid unless it has the fields of one alert, or only a list of alerts."""
    if body.alerts is None:
        return [_only(body)]
    if any(getattr(body, field) for field in AlertReport.__struct_fields__):
        raise Invalid.field("alerts", "must be given without other fields")
    reports = [_report(one, f"alerts[{index}].") for index, one in enumerate(body.alerts)]
    _refuse(_missing(reports) + _repeated(reports))
    return reports


def _only(body: AlertReports) -> Report:
    """Returns the report of a body without a list. Raises Invalid for missing fields, all of them at once."""
    missing = [FieldError(field, "is required") for field in ("key", "state") if getattr(body, field) is None]
    fields = {field: getattr(body, field) for field in AlertReport.__struct_fields__}
    report = _report(AlertReport(**fields), "")
    _refuse(missing + _missing([report]))
    return report


def _report(report: AlertReport, field: str) -> Report:
    return Report(**msgspec.structs.asdict(report), field=field)


def _missing(reports: Sequence[Report]) -> list[FieldError]:
    """Returns errors for the fields that firing alerts lack."""
    return [
        FieldError(f"{report.field}{field}", "is required for a firing alert")
        for report in reports
        if report.state is AlertState.FIRING
        for field in ("issue", "company")
        if getattr(report, field) is None
    ]


def _repeated(reports: Sequence[Report]) -> list[FieldError]:
    """Returns errors for keys that are reported twice in one request."""
    seen: set[str] = set()
    errors = []
    for report in reports:
        if report.key in seen:
            errors.append(FieldError(f"{report.field}key", f"“{report.key}” is listed twice"))
        seen.add(report.key)
    return errors


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise Invalid.of(errors)
