"""Each webhook receives one message for each request (contract, section 8)."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from issue_tracker.actor import command_line
from issue_tracker.database.before_commit import savepoint
from issue_tracker.events.delivery import Deliverer
from issue_tracker.issues import transfer
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.transfer import ImportResult, ImportRow
from issue_tracker.names import parse_description, parse_issue_name
from tests.clients import Client
from tests.events.receiver import Receiver
from tests.processes import run
from tests.world import World

SIXTY = [f"Company {number:02}" for number in range(60)]


class Hooks:
    """Webhooks with one receiver, and the messages to each of them."""

    def __init__(self, world: World, receiver: Receiver, deliverer: Deliverer) -> None:
        self._ada = world.client("ada")
        self._receiver = receiver
        self._deliverer = deliverer

    def add(self, name: str, **fields: Any) -> None:
        self._ada.call("POST", "/api/webhooks", 201, json={"url": f"{self._receiver.url}/{name}"} | fields)

    def sent(self) -> dict[str, list[Any]]:
        """Delivers the messages, and returns the new ones of each webhook by its name."""
        self._receiver.messages.clear()
        self._deliverer.deliver_due()
        messages: dict[str, list[Any]] = {}
        for received in self._receiver.messages:
            messages.setdefault(received.path.rsplit("/", 1)[1], []).append(received.json)
        return messages


@pytest.fixture
def hooks(world: World, receiver: Receiver, deliverer: Deliverer) -> Hooks:
    return Hooks(world, receiver, deliverer)


@pytest.fixture
def tess(world: World) -> Client:
    return world.client("tess")


def _members(*names: str, **fields: str) -> list[dict[str, str]]:
    return [{"company_name": name} | fields for name in names]


def _types(messages: list[Any]) -> list[str]:
    return [message["type"] for message in messages]


def test_a_new_issue_with_sixty_companies_is_one_message(world: World, hooks: Hooks, tess: Client) -> None:
    ids = world.given_companies(*SIXTY)
    hooks.add("all")
    hooks.add("issues", event_types=["issue.created"])
    hooks.add("assignments", event_types=["assignment.created"])
    hooks.add("bulk", event_types=["assignment.bulk_created"])
    hooks.add("two", company_ids=[ids["Company 07"], ids["Company 03"]])
    hooks.add("others", company_ids=[world.given_companies("Unaffected")["Unaffected"]])
    created = tess.call("POST", "/api/issues", 201, json={"name": "VPN", "companies": _members(*SIXTY)})
    sent = hooks.sent()

    assert {name: _types(messages) for name, messages in sent.items()} == {
        "all": ["issue.created"],
        "issues": ["issue.created"],
        "assignments": ["assignment.bulk_created"],
        "bulk": ["assignment.bulk_created"],
        "two": ["issue.created"],
    }
    data = sent["all"][0]["data"]
    assert data["assignments"] == [{"company_name": name, "status": "new"} for name in SIXTY]
    assert data["url"] == f"https://tracker.example/issues/{created['issue_id']}"
    assert datetime.fromisoformat(sent["all"][0]["timestamp"])
    assert [each["company_name"] for each in sent["two"][0]["data"]["assignments"]] == ["Company 03", "Company 07"]
    assert [each["company_name"] for each in sent["bulk"][0]["data"]["events"]] == SIXTY
    # The history still has one event for each company.
    assert tess.call("GET", "/api/events?issueName=VPN", 200)["total"] == 61


def test_only_messages_with_the_same_content_have_the_same_id(
    world: World, receiver: Receiver, deliverer: Deliverer, hooks: Hooks, tess: Client
) -> None:
    """A receiver may have several webhooks, and ignores a message whose id it knows."""
    ids = world.given_companies("Contoso", "Fabrikam")
    for path, fields in {
        "all": {},
        "again": {},
        "contoso": {"company_ids": [ids["Contoso"]]},
        "fabrikam": {"company_ids": [ids["Fabrikam"]]},
    }.items():
        hooks.add(path, **fields)
    tess.call("POST", "/api/issues", 201, json={"name": "VPN", "companies": _members("Contoso", "Fabrikam")})
    tess.call("POST", "/api/issues/status/bulk", 200, json={"issue_name": "VPN", "status": "closed"})
    deliverer.deliver_due()
    contents: dict[str, set[bytes]] = {}
    for message in receiver.messages:
        contents.setdefault(message.id, set()).add(message.body)
    assert len(receiver.messages) == 8 and len(contents) == 6
    assert all(len(bodies) == 1 for bodies in contents.values())


def test_an_issue_without_companies_has_an_empty_list(hooks: Hooks, tess: Client) -> None:
    hooks.add("all")
    tess.call("POST", "/api/issues", 201, json={"name": "VPN"})
    (message,) = hooks.sent()["all"]
    in_history = tess.call("GET", "/api/events?type=issue.created", 200)["items"][0]
    assert message["data"] == in_history | {"assignments": [], "url": message["data"]["url"]}


def test_several_events_of_one_kind_are_one_message(world: World, hooks: Hooks, tess: Client) -> None:
    world.given_companies("Contoso", "Fabrikam", "Initech")
    issue = world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new"})
    page = f"https://tracker.example/issues/{issue}"
    hooks.add("all")
    hooks.add("assigned", event_types=["assignment.created"])
    both = {"add_companies": _members("Contoso", "Fabrikam", status="resolved") + _members(*SIXTY[:3])}
    world.given_companies(*SIXTY[:3])
    hooks.sent()
    tess.call("PUT", "/api/issues/VPN", 200, json=both)
    sent = hooks.sent()
    assert sorted(_types(sent["all"])) == ["assignment.bulk_created", "assignment.bulk_status_changed"]
    assert _types(sent["assigned"]) == ["assignment.bulk_created"]
    for message in sent["all"]:
        assert message["data"]["url"] == page and {event["url"] for event in message["data"]["events"]} == {page}

    tess.call("PUT", "/api/issues/VPN", 200, json={"add_companies": _members("Initech")})
    (single,) = hooks.sent()["all"]
    assert (single["type"], single["data"]["company_name"]) == ("assignment.created", "Initech")
    assert single["data"]["url"] == page

    tess.call("POST", "/api/issues/status/bulk", 200, json={"issue_name": "VPN", "status": "closed"})
    (bulk,) = hooks.sent()["all"]
    assert bulk["type"] == "assignment.bulk_status_changed" and len(bulk["data"]["events"]) == 6


def test_changes_of_several_issues_in_one_request_are_one_message(world: World, hooks: Hooks) -> None:
    issues = [world.given_issue(name, {"Contoso": "new", "Fabrikam": "new"}) for name in ("VPN", "Mail")]
    ids = world.given_companies("Contoso", "Fabrikam")
    hooks.add("all")
    places = [f"{issue}-{ids[name]}-new" for issue in issues for name in ("Contoso", "Fabrikam")]
    world.client("tess").call("POST", "/assignments/bulk", 303, data={"status": "resolved", "on": places})
    (message,) = hooks.sent()["all"]
    assert message["type"] == "assignment.bulk_status_changed" and message["data"]["url"] is None
    assert [event["url"].rsplit("/", 1)[1] for event in message["data"]["events"]] == [
        str(issue) for issue in issues for _ in range(2)
    ]


def test_undoing_assignments_is_one_message(world: World, hooks: Hooks) -> None:
    tess = world.client("tess")
    world.given_companies(*SIXTY)
    world.given_issue("VPN")
    added = tess.put("/api/issues/VPN", json={"add_companies": _members(*SIXTY)})
    hooks.add("all")
    hooks.add("deleted", event_types=["assignment.deleted"])
    hooks.sent()
    tess.call("POST", "/undo", 303, data={"request_id": added.headers["x-request-id"]})
    sent = hooks.sent()
    for name in ("all", "deleted"):
        (message,) = sent[name]
        assert message["type"] == "assignment.bulk_deleted" and len(message["data"]["events"]) == 60


def test_several_fields_changed_by_one_request_are_one_message(hooks: Hooks, world: World, tess: Client) -> None:
    world.given_issue("VPN")
    hooks.add("all")
    hooks.add("updates", event_types=["issue.updated"])
    hooks.sent()
    tess.call("PUT", "/api/issues/VPN", 200, json={"new_name": "Tunnel", "description": "Slow.", "severity": "high"})
    in_history = tess.call("GET", "/api/events?type=issue.updated", 200)["items"][::-1]
    sent = hooks.sent()
    for name in ("all", "updates"):
        (message,) = sent[name]
        data = message["data"]
        assert message["type"] == data["type"] == "issue.updated"
        assert [event["field"] for event in data["events"]] == ["name", "description", "severity"]
        assert data["events"] == [event | {"url": data["url"]} for event in in_history]
        assert (data["event_id"], data["request_id"]) == (in_history[-1]["event_id"], in_history[-1]["request_id"])
        assert data["issue_id"] == in_history[0]["issue_id"] and data["field"] is data["to"] is None


def test_several_audit_events_of_a_kind_are_one_message(world: World, hooks: Hooks) -> None:
    hooks.add("audit", event_types=["user.updated"])
    ada, user_id = world.client("ada"), world.client("tess").call("GET", "/api/auth/session", 200)["user"]["user_id"]
    limited = {"role": "member", "company_access": {"companies": []}}
    ada.call("PUT", f"/api/users/{user_id}", 200, json=limited)
    (message,) = hooks.sent()["audit"]
    assert message["type"] == "user.updated" and len(message["data"]["events"]) == 2
    assert message["data"]["url"] is None


def test_audit_events_are_sent_only_to_webhooks_that_subscribe_to_them(world: World, hooks: Hooks) -> None:
    ada = world.client("ada")
    hooks.add("all")
    hooks.add("webhooks", event_types=["webhook.created"])
    hooks.add("audit", event_types=["company.created", "company.updated"])
    (about,) = hooks.sent()["webhooks"]
    assert about["data"]["note"].endswith("/audit"), "a webhook receives nothing about itself"
    company = ada.call("POST", "/api/companies", 201, json={"name": "Initech"})
    ada.call("PUT", f"/api/companies/{company['company_id']}", 200, json={"archived": True})
    sent = hooks.sent()
    assert sorted(sent) == ["audit"]
    assert _types(sent["audit"]) == ["company.created", "company.updated"]
    assert sent["audit"][0]["data"]["url"] is None


@pytest.mark.parametrize("options", [[], ["--notify"]], ids=["quiet", "notify"])
def test_an_import_sends_messages_only_on_request(
    world: World, hooks: Hooks, tmp_path: Path, options: list[str]
) -> None:
    world.given_issue("Mail")
    hooks.add("all")
    hooks.sent()
    file = tmp_path / "issues.csv"
    file.write_text("name,company_name\nVPN,Contoso\nVPN,Fabrikam\nMail,Contoso\n")
    imported = run("issue", "import", *options, str(file), database_url=world.server.settings.database_url)
    assert imported.stdout == "1 issue created, 1 already existed; 3 rows imported.\n"
    # In the order of the names of the issues.
    expected = ["assignment.created", "issue.created"] if options else []
    assert _types(hooks.sent().get("all", [])) == expected


def test_a_refused_request_sends_nothing(world: World, hooks: Hooks, tess: Client) -> None:
    world.given_issue("VPN")
    hooks.add("all")
    hooks.sent()
    tess.call("POST", "/api/issues", 400, json={"name": "vpn"})
    row = ImportRow(2, parse_issue_name("Mail"), parse_description(""), None, None)
    with suppress(ZeroDivisionError), world.database.write() as tx:
        transfer.import_issue(tx, command_line("ops"), [row], {}, ImportResult(), notify=True)
        raise ZeroDivisionError
    tess.call("POST", "/api/issues", 201, json={"name": "Other"})
    (message,) = hooks.sent()["all"]
    assert message["data"]["issue_name"] == "Other"


def test_a_request_that_is_refused_after_a_change_sends_nothing(world: World, hooks: Hooks, tess: Client) -> None:
    """Its response is stored for its key and committed, but the change of the first alert is rolled back."""
    world.given_companies("Contoso")
    hooks.add("all")
    first = {"key": "1", "state": "firing", "issue": "A", "company": "Contoso"}
    second = {"key": "2", "state": "firing", "issue": "B", "company": "Nowhere", "strict": True}
    body, key = {"alerts": [first, second]}, {"Idempotency-Key": "one"}
    assert tess.post("/api/alerts", json=body, headers=key).status_code == 404
    assert hooks.sent() == {} and tess.call("GET", "/api/issues", 200)["total"] == 0


def test_a_change_that_a_savepoint_undoes_sends_nothing(world: World, hooks: Hooks) -> None:
    hooks.add("all")
    actor = command_line("ops")
    with world.database.write() as tx:
        create_issue(tx, actor, parse_issue_name("VPN"), None, [])
        with suppress(ZeroDivisionError), savepoint(tx):
            create_issue(tx, actor, parse_issue_name("Mail"), None, [])
            raise ZeroDivisionError
    assert [message["data"]["issue_name"] for message in hooks.sent()["all"]] == ["VPN"]
    with world.database.write() as tx, suppress(ZeroDivisionError), savepoint(tx):
        create_issue(tx, actor, parse_issue_name("Mail"), None, [])
        raise ZeroDivisionError
    assert hooks.sent() == {}
