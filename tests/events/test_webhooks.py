"""The management of webhooks (contract, section 8): only super admins, secrets shown once, rotation, the
delivery log.
"""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from issue_tracker.actor import command_line
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.webhooks import MOST_FORMER, delete_webhook
from tests.clients import Client
from tests.engines import decided_in_python
from tests.events.receiver import Receiver
from tests.locks import during
from tests.world import World

URL = "https://hooks.example.com/issues"


def _create(ada: Client, url: str = URL, **fields: Any) -> dict[str, Any]:
    created: dict[str, Any] = ada.call("POST", "/api/webhooks", 201, json={"url": url, **fields})
    return created


def test_the_secret_is_shown_once(world: World) -> None:
    ada = world.client("ada")
    created = _create(ada, description="Status page")
    secret = created.pop("secret")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert created == {
        "id": created["id"],
        "url": URL,
        "event_types": [],
        "company_ids": [],
        "active": True,
        "description": "Status page",
        "disabled_reason": None,
        "created_at": created["created_at"],
        "updated_at": created["created_at"],
    }
    assert ada.call("GET", f"/api/webhooks/{created['id']}", 200) == created
    assert ada.call("GET", "/api/webhooks", 200) == {"items": [created], "total": 1}
    events = ada.get("/api/events").text
    assert "webhook.created" in events and secret not in events


def test_a_repeated_creation_does_not_show_the_secret_again(world: World) -> None:
    ada = world.client("ada")
    options = {"json": {"url": URL}, "headers": {"Idempotency-Key": "once"}}
    first = ada.call("POST", "/api/webhooks", 201, **options)
    assert ada.call("POST", "/api/webhooks", 201, **options) == first | {"secret": None}


def test_only_super_admins_manage_webhooks(world: World) -> None:
    created = _create(world.client("ada"))
    for who, expected in (("tess", 403), ("mia", 403)):
        client = world.client(who)
        client.call("GET", "/api/webhooks", expected)
        client.call("POST", "/api/webhooks", expected, json={"url": URL})
        client.call("GET", f"/api/webhooks/{created['id']}/deliveries", expected)
    world.anonymous().call("GET", "/api/webhooks", 401)


@decided_in_python
def test_all_invalid_fields_are_reported(world: World) -> None:
    ada = world.client("ada")
    bad = ("", "hooks.example.com", "ftp://example.com/", "https://", "https://u:p@example.com/", "https://e.com/#x")
    for url in (
        *bad,
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://ex\u2028.com/",
        "https://a..ü/",
    ):
        response = ada.call("POST", "/api/webhooks", 400, json={"url": url})
        assert response["errors"][0]["field"] == "url", url
    response = ada.call("POST", "/api/webhooks", 400, json={"url": URL, "event_types": ["issue.exploded"]})
    assert "issue.exploded" in response["detail"]
    ada.call("POST", "/api/webhooks", 404, json={"url": URL, "company_ids": [999999]})
    ada.call("POST", "/api/webhooks", 400, json={"url": URL, "secret": "mine"})
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret")):
        ada.call(method, f"/api/webhooks/999{path}", 404)
    ada.call("GET", "/api/webhooks/999/deliveries", 404)
    ada.call("POST", "/api/webhooks/deliveries/999/redeliver", 404)


def test_a_webhook_can_be_changed_and_deleted(world: World) -> None:
    ada = world.client("ada")
    contoso = world.given_companies("Contoso")["Contoso"]
    other = _create(ada)
    del other["secret"]
    path = f"/api/webhooks/{_create(ada)['id']}"
    wanted = {"event_types": ["issue.created"], "company_ids": [contoso], "active": False, "description": "x"}
    changed = ada.call("PUT", path, 200, json=wanted)
    assert changed.items() >= wanted.items()
    assert ada.call("PUT", path, 200, json=wanted) == changed
    ada.call("POST", f"{path}/test", 400)
    ada.call("DELETE", path, 204)
    ada.call("GET", path, 404)
    assert ada.call("GET", "/api/webhooks", 200)["items"] == [other]
    recorded = [e["type"] for e in ada.call("GET", "/api/events?limit=3", 200)["items"]]
    assert recorded == ["webhook.deleted", "webhook.updated", "webhook.created"]


def test_a_test_message_is_delivered_and_signed(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    created = _create(ada, receiver.url)
    queued = ada.call("POST", f"/api/webhooks/{created['id']}/test", 202)
    assert (queued["state"], queued["attempts"]) == ("pending", [])
    assert deliverer.deliver_due() == 1

    message = receiver.messages[0]
    verified = Webhook(created["secret"]).verify(message.body, message.headers)
    assert verified["type"] == "webhook.test" and datetime.fromisoformat(verified["timestamp"])
    assert message.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(created["secret"]).verify(message.body + b" ", message.headers)
    (logged,) = ada.call("GET", f"/api/webhooks/{created['id']}/deliveries", 200)["items"]
    assert (logged["state"], logged["message_id"], logged["next_attempt_at"]) == ("delivered", message.id, None)
    assert [(a["code"], a["error"]) for a in logged["attempts"]] == [(204, None)]


def test_old_and_new_secret_both_sign_for_a_day(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    created, other = _create(ada, receiver.url), _create(ada, receiver.url)
    path = f"/api/webhooks/{created['id']}"
    old, new = created["secret"], ada.call("POST", f"{path}/rotate-secret", 200)["secret"]
    assert old != new
    ada.call("POST", f"{path}/test", 202)
    deliverer.deliver_due()
    for secret in (old, new):
        assert Webhook(secret).verify(receiver.messages[0].body, receiver.messages[0].headers)
    ada.call("POST", f"/api/webhooks/{other['id']}/test", 202)
    deliverer.deliver_due()
    assert Webhook(other["secret"]).verify(receiver.messages[1].body, receiver.messages[1].headers)
    world.clock.advance(hours=25)
    ada = world.client("ada")
    ada.call("POST", f"{path}/test", 202)
    deliverer.deliver_due()
    assert receiver.messages[2].headers["webhook-signature"].count("v1,") == 1


def test_each_former_secret_signs_for_its_own_day(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    created = _create(ada, receiver.url)
    path, secrets = f"/api/webhooks/{created['id']}", [created["secret"]]
    for _ in range(3):
        secrets.append(ada.call("POST", f"{path}/rotate-secret", 200)["secret"])
        world.clock.advance(hours=7)
        ada = world.client("ada")
    for hours, signing in ((0, secrets), (4, secrets[1:]), (14, secrets[3:])):
        world.clock.advance(hours=hours)
        world.client("ada").call("POST", f"{path}/test", 202)
        deliverer.deliver_due()
        message = receiver.messages[-1]
        at = datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), UTC)
        signatures = {Webhook(secret).sign(message.id, at, message.body.decode()) for secret in signing}
        assert set(message.headers["webhook-signature"].split()) == signatures


def test_the_number_of_former_secrets_is_limited(world: World) -> None:
    ada = world.client("ada")
    path = f"/api/webhooks/{_create(ada, 'https://hooks.example.com/')['id']}"
    for _ in range(MOST_FORMER):
        ada.call("POST", f"{path}/rotate-secret", 200)
    assert "within 24 hours" in ada.call("POST", f"{path}/rotate-secret", 400)["detail"]
    world.clock.advance(hours=25)
    world.client("ada").call("POST", f"{path}/rotate-secret", 200)


def test_a_message_can_be_sent_again(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    created = _create(ada, receiver.url)
    queued = ada.call("POST", f"/api/webhooks/{created['id']}/test", 202)
    deliverer.deliver_due()
    ada.call("POST", f"/api/webhooks/{created['id']}/test", 202)
    assert deliverer.deliver_due() == 1
    ada.call("POST", f"/api/webhooks/deliveries/{queued['id']}/redeliver", 202)
    assert deliverer.deliver_due() == 1
    assert receiver.messages[0].id == receiver.messages[2].id
    ada.call("POST", f"/api/webhooks/{_create(ada, receiver.url)['id']}/test", 202)
    log = ada.call("GET", f"/api/webhooks/{created['id']}/deliveries", 200)
    assert log["total"] == 2 and [len(one["attempts"]) for one in log["items"]] == [1, 2]
    newer, older = log["items"]
    for before, expected in ((newer["id"], [older]), (older["id"], [])):
        page = ada.call("GET", f"/api/webhooks/{created['id']}/deliveries?before={before}&limit=1", 200)
        assert page == {"items": expected, "total": 2}


def test_messages_match_each_subscription(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    ids = world.given_companies("Contoso", "Fabrikam")
    _create(ada, receiver.url + "/all")
    _create(ada, receiver.url + "/typed", event_types=["issue.created"])
    _create(ada, receiver.url + "/fabrikam", company_ids=[ids["Fabrikam"]])
    _create(ada, receiver.url + "/off", active=False)
    deliverer.deliver_due()
    receiver.messages.clear()
    body = {"name": "VPN", "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
    world.client("tess").call("POST", "/api/issues", 201, json=body)
    deliverer.deliver_due()

    got: dict[str, list[tuple[str, list[str]]]] = {}
    for message in receiver.messages:
        event = message.json
        names = [assignment["company_name"] for assignment in event["data"]["assignments"]]
        got.setdefault(message.path.rsplit("/", 1)[1], []).append((event["type"], names))
    assert got == {
        "all": [("issue.created", ["Contoso", "Fabrikam"])],
        "typed": [("issue.created", ["Contoso", "Fabrikam"])],
        "fabrikam": [("issue.created", ["Fabrikam"])],
    }
    (in_history,) = ada.call("GET", "/api/events?type=issue.created", 200)["items"]
    (sent,) = [message.json["data"] for message in receiver.messages if message.path.endswith("typed")]
    assert sent.items() >= in_history.items()


def test_a_bulk_change_is_one_message(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "resolved"})
    ada = world.client("ada")
    fabrikam = world.given_companies("Fabrikam")["Fabrikam"]
    _create(ada, receiver.url + "/all")
    _create(ada, receiver.url + "/changes", event_types=["assignment.status_changed"], company_ids=[fabrikam])
    _create(ada, receiver.url + "/other", event_types=["issue.deleted"])
    deliverer.deliver_due()
    receiver.messages.clear()
    world.client("tess").call(
        "POST", "/api/issues/status/bulk", 200, json={"issue_name": "VPN", "status": "resolved", "note": "Fixed"}
    )
    deliverer.deliver_due()

    everything, changes = sorted(receiver.messages, key=lambda message: message.path)
    assert everything.json["type"] == changes.json["type"] == "assignment.bulk_status_changed"
    assert [(e["company_name"], e["to"], e["note"]) for e in everything.json["data"]["events"]] == [
        ("Contoso", "resolved", "Fixed"),
        ("Fabrikam", "resolved", "Fixed"),
    ]
    assert [e["company_name"] for e in changes.json["data"]["events"]] == ["Fabrikam"]


def test_every_connection_sees_a_webhook_that_is_created_later(
    world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    """Subscriptions must not be cached beyond a transaction, because connections live longer."""
    tess = world.client("tess")
    for number in range(20):
        tess.call("POST", "/api/issues", 201, json={"name": f"Before {number}"})
    _create(world.client("ada"), receiver.url, event_types=["issue.created"])
    for number in range(20):
        tess.call("POST", "/api/issues", 201, json={"name": f"After {number}"})
    assert deliverer.deliver_due() == 20


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_change_succeeds_while_a_webhook_is_deleted(world: World) -> None:
    """On SQLite writers take turns."""
    ada = world.client("ada")
    webhook_id = ada.call("POST", "/api/webhooks", 201, json={"url": "http://192.0.2.1/hook"})["id"]
    during(
        world,
        lambda tx: delete_webhook(tx, command_line("Ada"), webhook_id),
        lambda: world.given_issue("VPN"),
    )
    assert world.history()[-1].issue_name == "VPN"
