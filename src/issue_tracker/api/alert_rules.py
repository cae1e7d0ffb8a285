"""The rules for alerts over HTTP: technicians who see all companies read them, super admins change and try them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.alerts import rule_list
from issue_tracker.alerts.rule_list import StoredRule, Trial
from issue_tracker.alerts.rules import Rule
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Name

routes = Routes("Alerts")

Position = Annotated[int, Meta(ge=1, le=rule_list.MOST_RULES)]


class RuleList(msgspec.Struct):
    """All rules, in their order."""

    items: list[StoredRule]
    total: int


class NewRule(msgspec.Struct, forbid_unknown_fields=True):
    """A rule to add, at a position or at the end."""

    name: Name
    rule: Rule
    position: Position | None = None


class RuleChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make; absent or null leaves a value unchanged. `rule` replaces the whole rule."""

    name: Name | None = None
    rule: Rule | None = None
    position: Position | None = None


class RuleTrial(msgspec.Struct, forbid_unknown_fields=True):
    """An alert to try: its labels and the name of its receiver. With `rule`, only that rule is tried."""

    labels: Annotated[dict[str, str], Meta(max_length=100)]
    receiver: Annotated[str, Meta(max_length=255)] = ""
    rule: Rule | None = None


DEFINITION: dict[str, Any] = {
    "receiver": None,
    "conditions": [{"label": "alertname", "operator": "is", "value": "LineDown"}],
    "ignore": False,
    "issue": "{provider} outage",
    "company": "{company}",
    "company_by": "likeness",
    "severity": "high",
    "hold_minutes": 2,
    "steady_minutes": 5,
    "flap_changes": 10,
    "flap_minutes": 60,
    "cleared_status": "monitoring",
}
RULE_EXAMPLE = {
    "id": 3,
    "position": 1,
    "name": "Lines",
    "rule": DEFINITION,
    "updated_at": "2025-01-04T10:15:00+00:00",
}
TRIAL_EXAMPLE = {
    "rule_name": "Lines",
    "ignored": False,
    "issue_name": "Contoso Fibre outage",
    "company_text": "Acme",
    "company_names": ["Acme Manufacturing"],
    "severity": "high",
    "hold_minutes": 2,
    "steady_minutes": 5,
}


@routes.get("/api/alert-rules", returns=Returns(200, RuleList, {"items": [RULE_EXAMPLE], "total": 1}))
def list_rules(request: Request) -> Response:
    """List the rules, in the order in which they are tried.

    A user with limited company access is shown none, because rules may be about other companies.
    """
    return list_response(rule_list.list_rules(request.tx, request.actor))


@routes.post(
    "/api/alert-rules",
    access=Access.ADMINISTRATOR,
    returns=Returns(201, StoredRule, RULE_EXAMPLE),
    example={"name": "Lines", "rule": DEFINITION, "position": 1},
)
def create_rule(request: Request, body: NewRule) -> Response:
    """Add a rule."""
    created, _ = rule_list.create_rule(request.tx, request.actor, body.name, body.rule, body.position)
    return json_response(created, 201)


@routes.put(
    "/api/alert-rules/{id}",
    access=Access.ADMINISTRATOR,
    returns=Returns(200, StoredRule, RULE_EXAMPLE),
    example={"position": 1},
)
def update_rule(request: Request, id: int, body: RuleChange) -> Response:
    """Rename, replace or move a rule."""
    changed = rule_list.update_rule(
        request.tx, request.actor, id, name=body.name, rule=body.rule, position=body.position
    )
    return json_response(changed)


@routes.delete("/api/alert-rules/{id}", access=Access.ADMINISTRATOR, returns=Returns(204))
def delete_rule(request: Request, id: int) -> Response:
    """Delete a rule."""
    rule_list.delete_rule(request.tx, request.actor, id)
    return no_content()


@routes.post(
    "/api/alert-rules/try",
    access=Access.ADMINISTRATOR,
    returns=Returns(200, Trial, TRIAL_EXAMPLE),
    example={"receiver": "Prometheus", "labels": {"alertname": "LineDown", "company": "Acme"}},
)
def try_rules(request: Request, body: RuleTrial) -> Response:
    """Try the rules on an alert, without changing anything."""
    return json_response(rule_list.try_rules(request.tx, request.actor, body.receiver, body.labels, body.rule))
