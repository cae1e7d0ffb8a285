"""Violations between issues or companies and their events."""

from tests.invariants.broken import (
    ACCOUNTS,
    COMPANIES,
    EARLIER,
    FABRIKAM,
    ISSUES,
    LATER,
    OF_PRINTER,
    PRINTER,
    UPDATES,
    Broken,
)

STATE_BROKEN = (
    Broken(
        "a customer who sees everything",
        ACCOUNTS,
        r"users \d+ is a customer’s and sees all companies",
        "UPDATE users SET role = 'customer' WHERE name = 'Tess Ngo'",
    ),
    Broken(
        "a service account with a password",
        ACCOUNTS,
        r"User \d+ is a service account, and somebody can sign in",
        "UPDATE users SET service_account = true WHERE name = 'Tess Ngo'",
    ),
    Broken(
        "a second factor that does not exist",
        ACCOUNTS,
        r"User \d+ has has_factor True",
        "UPDATE users SET has_factor = true WHERE name = 'Tess Ngo'",
    ),
    Broken(
        "lost issue",
        ISSUES,
        "Issue .* “Printer offline” is missing, and no event deletes it",
        "DELETE FROM issues WHERE name = 'Printer offline'",
    ),
    Broken(
        "issue without events",
        ISSUES,
        "Issue .* “Printer offline” exists, but according to its events it does not",
        f"DELETE FROM events WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "lost deletion",
        ISSUES,
        "Issue .* “Forgotten” is missing",
        "DELETE FROM events WHERE type = 'issue.deleted'",
    ),
    Broken(
        "lost creation",
        ISSUES,
        r"Event \d+ \(assignment.created\) of issue \d+ is about an issue that does not exist",
        f"DELETE FROM events {OF_PRINTER} 'issue.created'",
    ),
    Broken(
        "two creations",
        ISSUES,
        "creates an issue that already exists",
        f"UPDATE events SET type = 'issue.created' {OF_PRINTER} 'assignment.deleted'",
    ),
    Broken(
        "another name",
        ISSUES,
        "is called “Printer online”, but “Printer offline” in its events",
        "UPDATE issues SET name = 'Printer online' WHERE name = 'Printer offline'",
    ),
    Broken(
        "another name before",
        ISSUES,
        "changes the name from “Hub restarts”, but the earlier events call the issue “Router restarts”",
        "UPDATE events SET from_value = 'Hub restarts' WHERE from_value = 'Router restarts'",
    ),
    Broken(
        "another name in an event",
        ISSUES,
        "calls the issue “Printer”, but the earlier events call it “Printer offline”",
        f"UPDATE events SET issue_name = 'Printer' {OF_PRINTER} 'assignment.deleted'",
    ),
    Broken(
        "another time of creation",
        ISSUES,
        "“Printer offline” has created_at 1999",
        f"UPDATE issues SET created_at = {EARLIER} WHERE name = 'Printer offline'",
    ),
    Broken(
        "another time of change",
        ISSUES,
        "“Printer offline” has updated_at 2099",
        f"UPDATE issues SET updated_at = {LATER} WHERE name = 'Printer offline'",
    ),
    Broken(
        "time that goes back",
        ISSUES,
        r"Event \d+ \(assignment.deleted\) of issue \d+ is from 1999",
        f"UPDATE events SET at = {EARLIER} {OF_PRINTER} 'assignment.deleted'",
    ),
    Broken(
        "another text",
        UPDATES,
        r"Update \d+ does not match its events",
        "UPDATE updates SET body = 'Nothing ordered' WHERE withdrawn_at IS NOT NULL",
    ),
    Broken(
        "a text that nobody withdrew",
        UPDATES,
        r"Update \d+ does not match its events",
        "UPDATE updates SET withdrawn_at = NULL",
    ),
    Broken(
        "an event about no update",
        UPDATES,
        r"cannot follow the events of the update before it",
        "DELETE FROM events WHERE type = 'update.created'",
    ),
    Broken(
        "another status",
        ISSUES,
        r"has company \d+ in the status closed, but investigating in its events",
        f"UPDATE assignments SET status = 'closed' WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "another time of an assignment",
        ISSUES,
        r"has company \d+ with the times .* 2099-.*, which are not those of the events",
        f"UPDATE assignments SET updated_at = {LATER} WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "lost assignment",
        ISSUES,
        r"does not have company \d+ assigned, but according to its events it has",
        f"DELETE FROM assignments WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "lost unassignment",
        ISSUES,
        r"has company \d+ assigned, but not according to its events",
        "INSERT INTO assignments (issue_id, company_id, issue_key, status, created_at, updated_at)"
        f" SELECT issue_id, {FABRIKAM}, issue_key, status, created_at, updated_at FROM assignments"
        f" WHERE issue_id = {PRINTER}",
    ),
    Broken(
        "lost change",
        ISSUES,
        r"changes company \d+ from resolved, but the status is new in the earlier events",
        f"DELETE FROM events {OF_PRINTER} 'assignment.status_changed' AND to_value = 'resolved'",
    ),
    Broken(
        "change of what is not assigned",
        ISSUES,
        r"changes company \d+, which is not assigned",
        f"DELETE FROM events {OF_PRINTER} 'assignment.created'",
    ),
    Broken(
        "two assignments",
        ISSUES,
        r"assigns company \d+, which is already assigned",
        f"UPDATE events SET type = 'assignment.created' {OF_PRINTER} 'assignment.deleted'",
    ),
    Broken(
        "another name of a company",
        COMPANIES,
        "is “Contoso Ltd”, not archived, but “Contoso”, not archived in its events",
        "UPDATE companies SET name = 'Contoso Ltd' WHERE name = 'Contoso'",
    ),
    Broken(
        "restored company",
        COMPANIES,
        "is “Südwind”, not archived, but “Südwind”, archived in its events",
        "UPDATE companies SET archived = false WHERE name = 'Südwind'",
    ),
    Broken(
        "company that was deleted",
        COMPANIES,
        "is missing, but “A mistake”",
        "DELETE FROM events WHERE type = 'company.deleted'",
    ),
)
