"""Receivers accept the format of their kind, and reject wrong addresses and malformed, hostile or huge messages."""

from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.alerts.receivers import delete_receiver, list_receivers, update_receiver
from issue_tracker.alerts.senders import Kind
from tests.alerts.messages import GENERIC, MESSAGES, icinga, kuma, prometheus
from tests.alerts.test_alerts import listed, set_status, statuses
from tests.cases import cases
from tests.engines import decided_in_python
from tests.locks import during
from tests.logged import Logged
from tests.world import World


def given_receiver(world: World, kind: str, **more: Any) -> str:
    """Creates a receiver and returns the path of its address."""
    mapping = {"mapping": GENERIC} if kind == "generic" else {}
    body = {"name": f"The {kind}", "kind": kind, **mapping, **more}
    made = world.client("ada").call("POST", "/api/alert-receivers", 201, json=body)
    url: str = made["url"]
    return url.removeprefix(world.server.settings.public_url)


def send(world: World, path: str, message: Any, expected: int = 202, **options: Any) -> dict[str, Any]:
    """Sends a message and returns the effects on its alerts, without the zeros."""
    body = {"content": message.encode()} if isinstance(message, str) else {"json": message}
    found = world.anonymous().call("POST", path, expected, **body, **options)
    return {name: count for name, count in found.items() if count} if expected == 202 else found


@decided_in_python
@pytest.mark.parametrize("kind", list(MESSAGES), ids=str)
def test_each_sender_opens_and_clears_an_issue(world: World, kind: Kind) -> None:
    path = given_receiver(world, kind.value)
    message = MESSAGES[kind]
    assert path.startswith(f"/api/alerts/in/{kind.value}/")
    assert send(world, path, message(True)) == {"received": 1, "opened": 1}
    assert send(world, path, message(True)) == {"received": 1, "kept": 1}
    assert statuses(world) == {"Contoso": "investigating"}
    created = world.history()[0]
    assert (created.actor_id, created.actor_name, created.channel) == (None, f"The {kind}", f"receiver:The {kind}")
    assert send(world, path, message(False)) == {"received": 1, "cleared": 1}
    assert statuses(world) == {"Contoso": "resolved"}
    [receiver] = world.client("ada").call("GET", "/api/alert-receivers", 200)["items"]
    assert receiver["last_received_at"] and "url" not in receiver


def test_a_technicians_changes_are_not_overwritten(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    labels = [{"alertname": "Line down", "company": name} for name in ("Contoso", "Fabrikam", "Acme Manufacturing")]
    alerts = [{"status": "firing", "labels": one} for one in labels]
    assert send(world, path, {"alerts": alerts}) == {"received": 3, "opened": 1, "assigned": 2}
    set_status(world, "in_progress")
    world.client().call("PUT", "/api/issues/Line down", 200, json={"new_name": "Provider outage"})
    assert send(world, path, {"alerts": alerts}) == {"received": 3, "kept": 3}
    done = [one | {"status": "resolved"} for one in alerts]
    assert send(world, path, {"alerts": done}) == {"received": 3, "kept": 1, "cleared": 2}
    expected = {"Contoso": "in_progress", "Fabrikam": "resolved", "Acme Manufacturing": "resolved"}
    assert statuses(world, "Provider outage") == expected


@decided_in_python
def test_messages_without_an_alert_change_nothing(world: World) -> None:
    kuma_path, icinga_path = given_receiver(world, "uptime-kuma"), given_receiver(world, "icinga")
    for path, message in (
        (kuma_path, {"heartbeat": None, "monitor": None, "msg": "Test"}),
        (kuma_path, kuma(True) | {"heartbeat": {"status": 3, "msg": "Maintenance"}}),
        (icinga_path, icinga(True) | {"type": "ACKNOWLEDGEMENT"}),
        (icinga_path, icinga(True) | {"type": "FLAPPINGSTART"}),
    ):
        assert send(world, path, message) == {}
    assert listed(world) == []


@decided_in_python
def test_only_the_complete_address_is_accepted(world: World) -> None:
    path, another = given_receiver(world, "alertmanager"), given_receiver(world, "grafana")
    secret = path.rpartition("/")[2]
    wrong = f"{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}"
    for other in (
        f"/api/alerts/in/grafana/{secret}",
        f"/api/alerts/in/alertmanager/{wrong}",
        f"/api/alerts/in/alertmanager/{secret.upper()}",
        "/api/alerts/in/alertmanager/%ff%00",
        "/api/alerts/in/nothing/x",
    ):
        assert send(world, other, prometheus(True), 404)["detail"] == "There is no receiver with this address."

    ada = world.client("ada")
    receiver, _ = ada.call("GET", "/api/alert-receivers", 200)["items"]
    here = f"/api/alert-receivers/{receiver['id']}"
    renewed = ada.call("POST", f"{here}/rotate-secret", 200)["url"].removeprefix(world.server.settings.public_url)
    send(world, path, prometheus(True), 404)
    assert send(world, renewed, prometheus(True)) == {"received": 1, "opened": 1}
    assert ada.call("PUT", here, 200, json={"active": False})["active"] is False
    send(world, renewed, prometheus(True), 404)
    assert send(world, another, MESSAGES[Kind.GRAFANA](True)) == {"received": 1, "kept": 1}
    ada.call("PUT", here, 200, json={"active": True})
    assert send(world, renewed, prometheus(True)) == {"received": 1, "kept": 1}
    ada.call("DELETE", here, 204)
    send(world, renewed, prometheus(True), 404)
    # The other receiver and its alert remain.
    assert [alert["receiver"] for alert in listed(world)] == ["The grafana"]
    assert send(world, another, MESSAGES[Kind.GRAFANA](True)) == {"received": 1, "kept": 1}
    assert statuses(world) == {"Contoso": "investigating"}


@decided_in_python
def test_invalid_receivers_are_rejected(world: World) -> None:
    given_receiver(world, "icinga")
    ada = world.client("ada")
    for body, field in (
        ({"name": "the ICINGA", "kind": "zabbix"}, "name"),
        ({"name": "N", "kind": "nagios"}, "kind"),
        ({"name": "N", "kind": "zabbix", "mapping": {}}, "mapping"),
        ({"name": "N", "kind": "generic", "mapping": {"key": "a.["}}, "mapping.key"),
        ({"name": "N", "kind": "generic", "mapping": {"keys": "a"}}, "mapping.keys"),
    ):
        refused = ada.call("POST", "/api/alert-receivers", 400, json=body)
        assert [error["field"] for error in refused["errors"]] == [field]
    assert ada.call("GET", "/api/alert-receivers", 200)["total"] == 1
    ada.call("DELETE", "/api/alert-receivers/999", 404)


HOSTILE = "<script>alert(1)</script>\n\x1b[31m"


@decided_in_python
@cases("kind", list(MESSAGES))
def test_malformed_messages_are_rejected_with_a_reason(world: World, kind: Kind, logged: Logged) -> None:
    path = given_receiver(world, kind.value)
    client = world.anonymous()
    deep = b'{"alerts":' + b"[" * 100_000
    for content in (b"", b"{", b"[]", b"\xff", deep, f'{{"{HOSTILE!r}": 1}}'.encode(), b'{"alerts": [{"status": 7}]}'):
        response = client.post(path, content=content)
        assert 400 <= response.status_code < 500, content[:40]
        assert "script" not in response.text and len(response.text) < 500
    assert client.post(path, content=b"x" * 1_100_000).status_code == 413
    assert client.post(path, json={}, headers={"Content-Encoding": "gzip"}).status_code == 415
    assert listed(world) == []
    assert "script" not in logged.text and "Traceback" not in logged.text


@decided_in_python
@cases(
    ("kind", "message", "field"),
    [
        ("alertmanager", {}, "alerts"),
        ("grafana", {"alerts": {}}, "alerts"),
        ("grafana", {"alerts": [{"status": "firing"}, {"labels": {}}]}, "alerts[1].status"),
        ("alertmanager", {"alerts": [{"status": "firing"}, {"status": "burning"}]}, "alerts[1].status"),
        ("alertmanager", {"alerts": [{"status": "firing", "labels": {"a": {"b": 1}}}]}, "alerts[0].labels"),
        ("icinga", {"host": "web-1", "state": "LOST"}, "state"),
        ("zabbix", {"trigger_id": "1", "value": "2"}, "value"),
        ("zabbix", {"trigger_id": "1", "value": "1", "tags": [{"tag": "a"}, {}]}, "tags[1].tag"),
        ("uptime-kuma", {"heartbeat": {"status": "down"}, "monitor": {"id": 1, "name": "n"}}, "heartbeat.status"),
        ("healthchecks", {"status": "down"}, "code"),
    ],
)
def test_a_message_in_the_wrong_format_gets_an_error_with_its_field(
    world: World, kind: str, message: dict[str, Any], field: str
) -> None:
    refused = send(world, given_receiver(world, kind, name=f"{kind} {len(field)} {message}"[:100]), message, 400)
    assert [error["field"] for error in refused["errors"]] == [field]
    assert field in refused["detail"]
    assert listed(world) == []


def test_hostile_texts_are_stored_as_texts(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    labels = {"alertname": HOSTILE + "\0", "company": "Contoso", "x" * 300: "y" * 5000}
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": HOSTILE + "\0"}}
    assert send(world, path, {"alerts": [alert | {"generatorURL": "javascript:alert(1)"}]})["received"] == 1
    [alert] = listed(world)
    assert alert["url"] is None
    assert alert["issue"] == "<script>alert(1)</script>  [31m" and "\0" not in alert["summary"]
    many = [{"status": "firing", "labels": {"alertname": str(number)}} for number in range(501)]
    assert "500" in send(world, path, {"alerts": many}, 400)["detail"] and len(listed(world)) == 1


@pytest.mark.parametrize("change", ["delete", "switch off"])
def test_a_message_that_waits_for_the_end_of_its_receiver_changes_nothing(world: World, change: str) -> None:
    path = given_receiver(world, "alertmanager")
    actor = command_line("Ada")

    def end(tx: Connection) -> None:
        [receiver] = list_receivers(tx, actor)
        if change == "delete":
            delete_receiver(tx, actor, receiver.id)
        else:
            update_receiver(tx, actor, receiver.id, active=False)

    during(world, end, lambda: send(world, path, prometheus(True), 404))
    assert listed(world) == []
