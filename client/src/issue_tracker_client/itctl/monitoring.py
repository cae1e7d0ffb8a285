"""The commands for monitoring: safe to repeat, and they leave alone what technicians do."""

import click

from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.output import as_json_option
from issue_tracker_client.models import Alert

ALERT_KEY = click.argument("key")
SUMMARY = click.option("--summary", help="What is wrong, or what is right again (at most 10,000 characters).")


@click.command("raise")
@ALERT_KEY
@click.argument("issue")
@click.argument("company")
@SUMMARY
@click.option("--severity", help="Of an issue that is opened: low, medium, high or critical.")
@click.option("--url", help="Where the alert can be seen in monitoring.")
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
    """Report that a fault is there. KEY identifies it; reporting it again changes nothing.

    Opens the issue, or assigns the company to it, as investigating. What is resolved or closed is reopened; any other
    status is left alone.
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
    """Report that a fault is gone. Resolves the company's status unless a person has changed it since."""
    with connection.tracker() as tracker:
        alert = tracker.clear_alert(key, summary=summary)
    connection.report(alert, json, outcome(alert))


def outcome(alert: Alert) -> str:
    """Returns what became of an alert, in one line."""
    place = f", {alert.issue_name} / {alert.company_name}: {alert.status}" if alert.issue_name else ""
    return f"{alert.key}: {alert.action}{place}"


MONITORING = (raise_alert, clear_alert)
