"""The pages of receivers and rules for alerts, for super admins."""

from typing import Any

import msgspec
from starlette.responses import Response

from issue_tracker.alerts import receivers, rule_list
from issue_tracker.alerts.models import AlertAction, AlertOutcome
from issue_tracker.alerts.queries import find_alert
from issue_tracker.alerts.receivers import Receiver
from issue_tracker.alerts.rule_list import StoredRule, Trial
from issue_tracker.alerts.rule_undo import undo_rule
from issue_tracker.alerts.rules import DEFAULT, CompanyBy, Operator, Rule
from issue_tracker.alerts.senders import Kind
from issue_tracker.alerts.suggestions import suggested_rule
from issue_tracker.api.alert_receivers import NewReceiver, address, mail_address
from issue_tracker.api.alert_rules import NewRule, RuleTrial
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.integers import RowId
from issue_tracker.issues.models import Severity
from issue_tracker.names import whole_number
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

HERE = "/admin/alerts"
KINDS = {
    Kind.ALERTMANAGER: "Alertmanager",
    Kind.GRAFANA: "Grafana",
    Kind.ICINGA: "Icinga 2",
    Kind.ZABBIX: "Zabbix",
    Kind.UPTIME_KUMA: "Uptime Kuma",
    Kind.HEALTHCHECKS: "Healthchecks",
    Kind.GENERIC: "Any JSON",
    Kind.EMAIL: "Email",
    Kind.FEED: "Status feed",
}
OPERATORS = {Operator.IS: "=", Operator.IS_NOT: "!=", Operator.LIKE: "~", Operator.NOT_LIKE: "!~"}
"""The signs of comparison in a line of the form; longer signs are recognized first."""

BY = {
    CompanyBy.NAME: "its name",
    CompanyBy.LIKENESS: "a similar name",
    CompanyBy.TAG: "tags that are names of companies",
    CompanyBy.GROUP: "the group with this name (all its companies)",
}


@routes.get(HERE)
def show_administration(request: Request, form: FormView | None = None) -> Response:
    """Shows the receivers and the rules."""
    return page(
        request,
        "alerts/administration.html",
        place="admin",
        section="alerts",
        receivers=receivers.list_receivers(request.tx, request.actor),
        rules=rule_list.list_rules(request.tx, request.actor),
        kinds=KINDS,
        senders=[(kind.value, text) for kind, text in KINDS.items() if kind is not Kind.FEED],
        form=form or FormView(),
    )


@routes.post(f"{HERE}/receivers", proof=Proof.FRESH_SESSION, shown_by=show_administration)
def create_receiver(request: Request, form: Form) -> Response:
    """Adds a receiver, and shows its address once."""
    mapping = form.get("mapping").strip()
    fields = {**form.fields("name", "kind"), "mapping": _decoded(mapping) if mapping else None}
    body = form.read(fields, NewReceiver)
    return _show_address_once(
        request, *receivers.create_receiver(request.tx, request.actor, body.name, body.kind, body.mapping)
    )


@routes.post(f"{HERE}/receivers/{{id}}/rotate-secret", proof=Proof.FRESH_SESSION)
def rotate_secret(request: Request, form: Form, id: int) -> Response:
    """Gives a receiver a new address, and shows it once."""
    return _show_address_once(request, *receivers.rotate_secret(request.tx, request.actor, id))


@routes.post(f"{HERE}/receivers/{{id}}/active", proof=Proof.FRESH_SESSION)
def switch_receiver(request: Request, form: Form, id: int) -> Response:
    """Enables or disables a receiver."""
    receiver = receivers.update_receiver(request.tx, request.actor, id, active=bool(form.get("active")))
    text = f"{receiver.name} is {'active' if receiver.active else 'switched off'}."
    return redirect(HERE, flash_cookie(request, Flash(text)))


@routes.get(f"{HERE}/receivers/{{id}}/delete")
def confirm_deletion(request: Request, id: int) -> Response:
    """Shows what is deleted together with a receiver."""
    receiver = receivers.get_receiver(request.tx, request.actor, id)
    return page(request, "alerts/delete.html", place="admin", section="alerts", receiver=receiver)


@routes.post(f"{HERE}/receivers/{{id}}/delete")
def delete_receiver(request: Request, form: Form, id: int) -> Response:
    """Deletes a receiver with its alerts."""
    receivers.delete_receiver(request.tx, request.actor, id)
    return redirect(HERE, flash_cookie(request, Flash("The receiver has been deleted.")))


class RuleQuery(msgspec.Struct, frozen=True):
    """The alert for which the form is filled in, by its alert_id, or None."""

    alert: RowId | None = None


EMPTY = RuleQuery()


@routes.get(f"{HERE}/rules/new")
def show_new_rule(
    request: Request, form: FormView | None = None, trial: Trial | None = None, query: RuleQuery = EMPTY
) -> Response:
    """Shows the form for a rule; with an alert, filled in for this alert, with the result of the rule."""
    found = None if query.alert is None else find_alert(request.tx, request.actor, query.alert)
    labels = (found.labels if found is not None else None) or {}
    default = _typed("", Rule(), labels)
    if labels:
        suggested = suggested_rule(request.tx, request.actor, labels)
        default = _typed(suggested.name, suggested.rule, labels)
        if form is None:
            trial = rule_list.try_rules(request.tx, request.actor, "", labels, suggested.rule)
    return _rule_page(request, "/admin/alerts/rules/new", (form or FormView()).with_defaults(default), trial)


@routes.post(f"{HERE}/rules/new", shown_by=show_new_rule, form=ShownForm(within="rule"))
def create_rule(request: Request, form: Form) -> Response:
    """Adds a rule, or tries it."""
    body = _rule_of(form)
    if form.get("try"):
        return show_new_rule(request, FormView(dict(form.pairs)), _trial(request, form, body.rule))
    created = rule_list.create_rule(request.tx, request.actor, body.name, body.rule, body.position)
    return redirect(HERE, flash_cookie(request, _created(*created)))


@routes.post(f"{HERE}/rules/suggested")
def create_suggested_rule(request: Request, form: Form) -> Response:
    """Adds the rule that is suggested for an unsorted alert."""
    alert = find_alert(request.tx, request.actor, whole_number(form.get("alert")) or 0)
    if alert is None or not alert.labels:
        raise NotFound("There is no such alert.")
    suggested = suggested_rule(request.tx, request.actor, alert.labels)
    body = form.read({"name": suggested.name, "rule": msgspec.to_builtins(suggested.rule)}, NewRule)
    created = rule_list.create_rule(request.tx, request.actor, body.name, body.rule)
    return redirect("/alerts?state=unsorted", flash_cookie(request, _created(*created)))


@routes.post(f"{HERE}/rules/{{id}}/undo")
def undo_created_rule(request: Request, form: Form, id: int) -> Response:
    """Deletes a rule, and reverts what it did to the alerts that are firing."""
    count = undo_rule(request.tx, request.actor, id)
    text = f"The rule has been deleted. {'One alert is' if count == 1 else f'{count} alerts are'} unsorted again."
    return redirect("/alerts?state=unsorted", flash_cookie(request, Flash(text)))


@routes.get(f"{HERE}/rules/{{id}}")
def show_rule(request: Request, id: int, form: FormView | None = None, trial: Trial | None = None) -> Response:
    """Shows the form to change a rule."""
    stored = rule_list.get_rule(request.tx, request.actor, id)
    default = _typed(stored.name, stored.rule, {}) | {"position": stored.position}
    return _rule_page(request, f"{HERE}/rules/{id}", (form or FormView()).with_defaults(default), trial, stored.id)


@routes.post(f"{HERE}/rules/{{id}}", shown_by=show_rule, form=ShownForm(within="rule"))
def update_rule(request: Request, form: Form, id: int) -> Response:
    """Changes a rule, or tries it."""
    body = _rule_of(form)
    if form.get("try"):
        return show_rule(request, id, FormView(dict(form.pairs)), _trial(request, form, body.rule))
    rule_list.update_rule(request.tx, request.actor, id, name=body.name, rule=body.rule, position=body.position)
    return redirect(HERE, flash_cookie(request, Flash("Saved.")))


@routes.post(f"{HERE}/rules/{{id}}/delete")
def delete_rule(request: Request, form: Form, id: int) -> Response:
    """Deletes a rule."""
    rule_list.delete_rule(request.tx, request.actor, id)
    return redirect(HERE, flash_cookie(request, Flash("The rule has been deleted.")))


def _created(rule: StoredRule, outcomes: list[AlertOutcome]) -> Flash:
    """Returns the message about a new rule and the alerts that it sorted, with undo."""
    done = [one for one in outcomes if one.action is not AlertAction.UNSORTED]
    names = sorted({one.issue_name for one in done if one.issue_name is not None})
    count = "One alert is" if len(done) == 1 else f"{len(done)} alerts are"
    more = "" if len(names) < 2 else f" and {len(names) - 1} more"
    where = f"sorted into “{names[0]}”{more}" if names else "on hold" if done else "affected"
    text = f"The rule “{rule.name}” has been created. {count if done else 'No unsorted alert is'} {where}."
    return Flash(text, undo_at=f"{HERE}/rules/{rule.id}/undo", edit_at=f"{HERE}/rules/{rule.id}")


def _show_address_once(request: Request, receiver: Receiver, secret: str) -> Response:
    """Returns a redirect that shows the address for the settings of the sender: an email address, or else a URL."""
    shown = mail_address(request, receiver, secret) or address(request, receiver, secret)
    text = "The address of the receiver, for the settings of its sender, contains a secret. It is shown only once:"
    return redirect(HERE, flash_cookie(request, Flash(text, secret=shown)))


def _rule_page(
    request: Request, action: str, form: FormView, trial: Trial | None, rule_id: int | None = None
) -> Response:
    return page(
        request,
        "alerts/rule.html",
        place="admin",
        section="alerts",
        action=action,
        form=form,
        trial=trial,
        rule_id=rule_id,
        receivers=[
            ("", "any receiver"),
            *((one.name, one.name) for one in receivers.list_receivers(request.tx, request.actor)),
        ],
        by=[(by.value, text) for by, text in BY.items()],
        severities=[("", "from the label “severity”"), *((one.value, one.label) for one in Severity)],
        cleared=[("resolved", "Resolved"), ("monitoring", "Monitoring")],
    )


def _typed(name: str, rule: Rule, labels: dict[str, str]) -> dict[str, Any]:
    """Returns a rule as the values of the form."""
    conditions = [f"{one.label} {OPERATORS[one.operator]} {one.value}".rstrip() for one in rule.conditions]
    return {
        **msgspec.to_builtins(rule),
        "name": name,
        "receiver": rule.receiver or "",
        "severity": rule.severity.value if rule.severity else "",
        "conditions": "\n".join(conditions),
        "ignore": "true" if rule.ignore else "",
        "labels": "\n".join(f"{label}: {value}" for label, value in labels.items()),
    }


def _rule_of(form: Form) -> NewRule:
    """Returns the rule in the form. Raises Invalid."""
    rule: dict[str, Any] = form.fields("issue", "company", "company_by", "cleared_status")
    rule |= {"receiver": form.get("receiver") or None, "severity": form.get("severity") or None}
    rule |= {"ignore": bool(form.get("ignore")), "conditions": [_condition(line) for line in form.lines("conditions")]}
    for field in ("hold_minutes", "steady_minutes", "flap_changes", "flap_minutes"):
        rule[field] = whole_number(form.get(field).strip() or str(getattr(DEFAULT, field)))
        if rule[field] is None:
            raise Invalid.field(field, "must be a whole number")
    body = {"name": form.get("name"), "rule": rule, "position": whole_number(form.get("position")) or None}
    return form.read(body, NewRule)


def _condition(line: str) -> dict[str, str]:
    """Parses a line such as `alertname = LineDown`. Raises Invalid if there is no operator."""
    for operator, sign in sorted(OPERATORS.items(), key=lambda item: -len(item[1])):
        label, found, value = line.partition(sign)
        if found and label.strip():
            return {"label": label.strip(), "operator": operator.value, "value": value.strip()}
    raise Invalid.field("conditions", f"“{line[:100]}” has no comparison: write label = value")


def _trial(request: Request, form: Form, rule: Rule) -> Trial:
    pairs = [line.partition(":") for line in form.lines("labels")]
    labels = {name.strip(): value.strip() for name, _, value in pairs}
    body = form.read({"labels": labels, "receiver": form.get("receiver")}, RuleTrial)
    return rule_list.try_rules(request.tx, request.actor, body.receiver, body.labels, rule)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Invalid.field("mapping", "is not valid JSON") from None
