"""A database with data for every invariant, created through the product itself."""

from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.auth.users import get_user_by_email
from issue_tracker.events.delivery import Deliverer
from issue_tracker.issues.undo import undo
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.events.receiver import Receiver, status
from tests.server import Server, serving
from tests.world import Clock, World

LIMITED_TYPES = ["issue.created", "assignment.status_changed"]


def fill(url: str) -> None:
    """Fills an empty database of the current schema."""
    settings = Settings(database_url=url, log_level="error", deliver_webhooks=False)
    with serving(settings) as server:
        world = World(server, Clock())
        receivers = [Receiver(), Receiver(), Receiver()]
        receivers[1].response, receivers[2].response = status(500), status(410)
        try:
            _webhooks(world, receivers)
            _changes(world.client("tess"), world.client("ada"))
            _undo(server, world.client("tess"))
            _deliver(server, settings)
            world.client("tess").call("POST", "/api/issues", 201, json={"name": "Still to be sent"})
        finally:
            world.close()
            for receiver in receivers:
                receiver.close()


def _webhooks(world: World, receivers: list[Receiver]) -> None:
    ada = world.client("ada")
    contoso = world.given_companies("Contoso")["Contoso"]
    answering, failing, gone = (receiver.url for receiver in receivers)
    for webhook in (
        {"url": answering},
        {"url": failing, "event_types": LIMITED_TYPES, "company_ids": [contoso]},
        {"url": answering, "event_types": ["assignment.bulk_created", "company.updated", "webhook.updated"]},
        {"url": gone, "event_types": ["company.created"]},
    ):
        ada.call("POST", "/api/webhooks", 201, json=webhook)


def _changes(tess: Client, ada: Client) -> None:
    companies = [{"company_name": "Contoso"}, {"company_name": "Fabrikam", "status": "monitoring"}]
    tess.call("POST", "/api/issues", 201, json={"name": "Printer offline", "companies": companies})
    tess.call("POST", "/api/issues", 201, json={"name": "Router restarts", "description": "Every STRASSE, each night"})
    tess.call("POST", "/api/issues", 201, json={"name": "Forgotten", "companies": companies})
    both = [{"company_name": "Contoso"}, {"company_name": "Müller & Söhne"}]
    change = {"new_name": "Router of the ground floor", "description": "All day", "add_companies": both}
    tess.call("PUT", "/api/issues/Router restarts", 200, json=change)
    moved = {"issue_name": "Printer offline", "company_name": "Contoso", "status": "resolved", "note": "Paper"}
    tess.call("PUT", "/api/issues/status", 200, json=moved)
    tess.call("PUT", "/api/issues/status", 200, json={**moved, "status": "investigating"})
    bulk = {"issue_name": "Router of the ground floor", "status": "closed", "companies": None}
    tess.call("POST", "/api/issues/status/bulk", 200, json=bulk)
    tess.call("DELETE", "/api/issues/status?issueName=Printer offline&companyName=Fabrikam", 204)
    reference = {"system": "PSA", "key": "T-1"}
    fields = {"severity": "low", "owner": "tess@helpdesk.example", "tags": ["lan"], "references": [reference]}
    tess.call("PUT", "/api/issues/Router of the ground floor", 200, json={**fields, "external_key": "router"})
    tess.call("PUT", "/api/issues/Router of the ground floor", 200, json={"tags": ["LAN", "paper"]})
    taken = {"company_name": "Contoso", "status": "closed", "owner": "tess@helpdesk.example"}
    tess.call("PUT", "/api/issues/status", 200, json={"external_key": "router", "references": [reference], **taken})
    for text in ({"companies": ["Contoso", "Müller & Söhne"], "status": "closed"}, {"public": True}, {}):
        said = {"issue_name": bulk["issue_name"], "body": "Spare part ordered", **text}
        made = tess.call("POST", "/api/updates", 201, json=said)
    tess.call("PUT", f"/api/updates/{made['update_id']}", 200, json={"body": "Spare part is here", "public": True})
    tess.call("DELETE", f"/api/updates/{made['update_id'] - 1}", 204)
    tess.call("POST", "/api/issues", 201, json={"name": "No internet", "companies": companies})
    said = {"issue_name": "No internet", "body": "Cable is broken", "companies": ["Contoso"], "status": "in_progress"}
    tess.call("POST", "/api/updates", 201, json=said)
    tess.call("POST", "/api/issues/merge", 200, json={"issue_name": "No internet", "into": bulk["issue_name"]})
    ada.call("DELETE", "/api/issues/Forgotten", 204)
    made = ada.call("POST", "/api/companies", 201, json={"name": "Nordwind"})
    ada.call("PUT", f"/api/companies/{made['company_id']}", 200, json={"name": "Südwind", "archived": True})
    gone = ada.call("POST", "/api/companies", 201, json={"name": "A mistake"})
    ada.call("DELETE", f"/api/companies/{gone['company_id']}", 204)


def _undo(server: Server, tess: Client) -> None:
    """Undoing changes to several issues results in one message, with the time of the first change."""
    with server.database.write() as tx:
        user = get_user_by_email(tx, "tess@helpdesk.example")
    actor = Actor(user.user_id, user.name, Role.TECHNICIAN, "session", "undone")
    places: list[str] = []
    for issue in ("Wind", "Rain"):
        body = {"name": issue, "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
        made = tess.call("POST", "/api/issues", 201, json=body, headers={"X-Request-ID": f"{issue} in one"})
        places += [f"{one['issue_id']}-{one['company_id']}" for one in made["assignments"]]
    form = {"on": places, "status": "monitoring"}
    tess.call("POST", "/assignments/bulk", 303, data=form, headers={"X-Request-ID": "both"})
    with server.database.write() as tx:
        assert len(undo(tx, actor, "both").undone) == 4


def _deliver(server: Server, settings: Settings) -> None:
    given = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    deliverer = Deliverer(server.database, Settings(**given | {"webhook_allowed_networks": "127.0.0.0/8"}))
    assert deliverer.deliver_due() > 10


CHECKER = command_line("tests")
