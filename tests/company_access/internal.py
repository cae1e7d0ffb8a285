"""Texts of the helpdesk about a company that a customer sees, public or internal."""

from issue_tracker.actor import command_line
from issue_tracker.clock import now
from issue_tracker.companies.queries import find_companies
from issue_tracker.issues.assignment_fields import change_assignments
from issue_tracker.issues.assignments import set_status
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.models import Reference, Severity
from issue_tracker.issues.operations import update_issue
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.issues.updates.operations import add_update
from issue_tracker.names import key, parse_update
from issue_tracker.status import Status
from tests.world import World

READER = command_line("Ada")


def write_internally(world: World, author: str, words: str) -> None:
    """Sets a status and publishes an update, and writes `words` in places that only the helpdesk can read."""
    actor = command_line(author)
    with world.database.write() as tx:
        company = find_companies(tx, READER, ["Contoso"])[key("Contoso")]
        head = get_issue_head(tx, READER, "Shared", lock=True)
        status = Status.MONITORING if now().minute % 2 else Status.INVESTIGATING
        head = set_status(tx, actor, head, company, status, f"internal note of {words}")
        fields = IssueFields(severity=Severity.LOW if words == "one" else Severity.HIGH)
        update_issue(tx, actor, head, description=f"internal: {words} {now()}", fields=fields)
        for public, text in ((True, "News for customers"), (False, f"internal: {words}")):
            head = get_issue_head(tx, READER, "Shared", lock=True)
            add_update(tx, actor, head, parse_update(text), public=public)
        if words == "one":
            # Internal data about the customer's company changes the row that customers see.
            head = get_issue_head(tx, READER, "Shared", lock=True)
            reference = Reference("PSA", f"{now()}", None)
            change_assignments(tx, actor, head, [company], references=[reference])
