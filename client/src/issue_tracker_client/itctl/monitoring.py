"""The commands for monitoring systems: they are safe to repeat, and do not overwrite changes by technicians."""

import click

from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.output import as_json_option
from issue_tracker_client.models import Alert

ALERT_KEY = click.argument("key")
SUMMARY = click.option("--summary", help="A description of the fault or the recovery (at most 10,000 characters).")


@click.command("raise")
@ALERT_KEY
@click.argument("issue")
@click.argument("company")
@SUMMARY
@click.option("--severity", help="The severity of a new issue: low, medium, high or critical.")
@click.option("--url", help="The address of the alert in the monitoring system.")
@click.option("--strict", is_flag=True, help="Fail if the company does not exist, instead of listing the alert.")
@as_json_option
@click.pass_obj
def raise_alert(
    connection: Connection,
    *,
    key: str,
    issue: str,
    company: str,
    summary: str | None,
    severity: str | None,
    url: str | None,
    strict: bool,
    json: bool,
) -> None:
    """Report that a fault exists. KEY identifies it; reporting it again changes nothing.

    Opens the issue, or assigns the company to it, as investigating. A resolved or closed status is reopened; any other
    status remains unchanged.
    """
    with connection.tracker() as tracker:
        alert = tracker.raise_alert(key, issue, company, summary=summary, severity=severity, url=url, strict=strict)
    connection.report(alert, json, outcome(alert))


@click.command("clear")
@ALERT_KEY
@SUMMARY
@as_json_option
@click.pass_obj
def clear_alert(connection: Connection, *, key: str, summary: str | None, json: bool) -> None:
    """Report that a fault is over. This resolves the assignment unless a person has changed it since."""
    with connection.tracker() as tracker:
        alert = tracker.clear_alert(key, summary=summary)
    connection.report(alert, json, outcome(alert))


def outcome(alert: Alert) -> str:
    """Returns the effect of an alert, in one line."""
    place = f", {alert.issue_name} / {alert.company_name}: {alert.status}" if alert.issue_name else ""
    return f"{alert.key}: {alert.action}{place}"


MONITORING = (raise_alert, clear_alert)
