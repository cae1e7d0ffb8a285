"""Patterns find values in the subject and the text of a message, are validated, and can be tried."""

import time
from typing import Any

from tests.alerts.mail.sending import given_mail_receiver, listening, message
from tests.alerts.test_alerts import listed, statuses
from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

PATTERNS = {
    "subject": [r"^(?P<state>\w+) - (?P<check>.+) on (?P<host>\S+)$"],
    "body": [r"(?m)^Ticket for: (?P<company>.+?) \(", r"(?m)^Alert #(?P<key>\d+)", r"(?m)^Level=(?P<severity>\w+)"],
    "resolved": ["FIXED"],
}
BODY = "Ticket for: Fabrikam (site 3)\nAlert #4711\nLevel=Major\nSummary"


def tried(world: World, expected: int = 200, **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = world.client("ada").call("POST", "/api/alert-receivers/try", expected, json=body)
    return found


@decided_in_python
def test_patterns_determine_the_alert(world: World) -> None:
    address = given_mail_receiver(world, patterns=PATTERNS)
    rule = {
        "receiver": "RMM",
        "issue": "{check}",
        "conditions": [{"label": "host", "operator": "like", "value": "srv*"}],
    }
    world.client("ada").call("POST", "/api/alert-rules", 201, json={"name": "Checks", "rule": rule})
    with listening(world) as mail:
        assert mail.send(address, message("FAILED - Backup on srv1", BODY))[0] == 250
        [alert] = listed(world)
        assert (alert["key"], alert["severity"], alert["summary"]) == ("4711", "high", BODY)
        assert alert["labels"]["host"] == "srv1" and alert["labels"]["sender"] == "rmm@monitoring.example"
        assert statuses(world, "Backup") == {"Fabrikam": "investigating"}
        assert mail.send(address, message("fixed - Backup on srv1", "Alert #4711"))[0] == 250
        assert statuses(world, "Backup") == {"Fabrikam": "resolved"}
        assert mail.send(address, message("Newsletter", "Nothing"))[0] == 250
    unsorted = listed(world, "?state=unsorted")
    assert [alert["key"] for alert in unsorted] == ["newsletter"]


@decided_in_python
def test_patterns_can_be_tried_before_they_are_saved(world: World) -> None:
    found = tried(world, message=message("FAILED - Backup on srv1", BODY), patterns=PATTERNS)
    assert (found["key"], found["state"], found["automatic"]) == ("4711", "firing", None)
    assert found["outcome"]["issue_name"] == "Backup" and found["outcome"]["company_names"] == ["Fabrikam"]
    found = tried(world, message=message(Precedence="bulk"))
    assert (found["automatic"], found["key"]) == ("mass mail", "line down/contoso")
    assert "headers" in tried(world, 400, message="Hello")["detail"]
    assert world.client("ada").call("GET", "/api/alerts", 200)["total"] == 0


@decided_in_python
@cases(
    ("patterns", "field"),
    [
        ({"subject": ["("]}, "patterns.subject[0]"),
        ({"body": ["x", r"(?=y)"]}, "patterns.body[1]"),
        ({"body": [r"(a)\1"]}, "patterns.body[0]"),
        ({"body": ["(((a{1000}){1000}){1000})"]}, "patterns.body[0]"),
        ({"body": ["x" * 501]}, "patterns.body[0]"),
        ({"subject": ["x"] * 21}, "patterns.subject"),
        ({"states": []}, "patterns.states"),
    ],
)
def test_invalid_patterns_are_rejected(world: World, patterns: dict[str, Any], field: str) -> None:
    body = {"name": "R", "kind": "email", "patterns": patterns}
    refused = world.client("ada").call("POST", "/api/alert-receivers", 400, json=body)
    assert [error["field"] for error in refused["errors"]] == [field]
    refused = tried(world, 400, message=message(), patterns=patterns)
    assert [error["field"] for error in refused["errors"]] == [field]
    assert world.client("ada").call("GET", "/api/alert-receivers", 200)["total"] == 0


def test_only_receivers_of_mail_have_patterns_which_can_be_changed(world: World) -> None:
    ada = world.client("ada")
    refused = ada.call("POST", "/api/alert-receivers", 400, json={"name": "R", "kind": "zabbix", "patterns": {}})
    assert [error["field"] for error in refused["errors"]] == ["patterns"]
    refused = ada.call("POST", "/api/alert-receivers", 400, json={"name": "R", "kind": "email", "mapping": {}})
    assert [error["field"] for error in refused["errors"]] == ["mapping"]
    given_mail_receiver(world)
    [receiver] = ada.call("GET", "/api/alert-receivers", 200)["items"]
    assert receiver["patterns"] is None
    changed = ada.call("PUT", f"/api/alert-receivers/{receiver['id']}", 200, json={"patterns": PATTERNS})
    assert changed["patterns"] == PATTERNS | {"automatic": False}
    [event] = [one for one in world.history(audit=True) if one.type == "receiver.updated"]
    assert event.note == f"{receiver['id']}: RMM (patterns)"


@decided_in_python
def test_every_pattern_is_fast(world: World) -> None:
    """Expressions for which a backtracking engine would take practically forever."""
    patterns = {"body": [r"^(a+)+$", r"(a|aa)+b", r"(?P<key>(x+x+)+y)"]}
    address = given_mail_receiver(world, patterns=patterns)
    started = time.monotonic()
    with listening(world) as mail:
        assert mail.send(address, message(body="a" * 60_000 + "\r\n" + "x" * 60_000))[0] == 250
    assert time.monotonic() - started < 20
    assert len(listed(world)) == 1
