"""Status feeds are polled: their incidents open issues for a group and are cleared, once, by one process, whatever the
supplier's server sends.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_network

import pytest
from sqlalchemy import select

from issue_tracker.alerts.feeds.stored import SCHEDULE, claim_feed
from issue_tracker.alerts.polling import poller as polling
from issue_tracker.database.tables import alert_feeds
from tests.alerts.feeds.supplier import (
    GROUP,
    Poller,
    Supplier,
    atom,
    given_feed,
    health,
    incident,
    rss,
    statuspage,
    supplier_page,
)
from tests.alerts.test_alerts import listed, set_status, statuses
from tests.alerts.test_rules import given_rule
from tests.engines import decided_in_python
from tests.logged import Logged
from tests.world import World

NAME = "Contoso Fibre: No connections"


@pytest.fixture
def supplier() -> Iterator[Supplier]:
    with supplier_page() as supplier:
        yield supplier


def test_an_incident_opens_one_issue_for_the_group_and_is_cleared(world: World, supplier: Supplier) -> None:
    given_feed(world, supplier.url)
    poller = Poller(world)
    supplier.show(statuspage(incident(), incident("2", "Old", "resolved"), incident("3", "Older", "postmortem")))
    assert health(world)["last_success_at"] is None and poller.poll(0) == 1
    assert statuses(world, NAME) == {"Contoso": "investigating", "Fabrikam": "investigating"}
    issue = world.client().call("GET", f"/api/issues/{NAME}", 200)
    assert issue["severity"] == "high" and "It is investigating." in issue["description"]
    assert world.history()[0].channel == "receiver:Contoso Fibre" and len(listed(world)) == 2
    found = health(world)
    assert (found["company_group"], found["interval_minutes"], found["open_incidents"]) == (GROUP, 5, 1)
    assert found["last_success_at"] and found["failure"] is None and found["failures"] == 0

    assert poller.poll(4) == 0, "it is not due yet"
    before = len(world.history())
    set_status(world, "in_progress", NAME)
    assert Poller(world).poll(2) == 1, "another process after a restart"
    poller.poll()
    assert supplier.codes == [200, 304, 304] and len(world.history()) == before + 1

    # The supplier renames the incident, and the group changes.
    group = world.client("ada").call("GET", "/api/company-groups", 200)["items"][0]["group_id"]
    members = {"company_names": ["Contoso", "Acme Manufacturing"]}
    world.client("ada").call("PUT", f"/api/company-groups/{group}", 200, json=members)
    supplier.show(statuspage(incident(title="Some connections", status="identified")))
    poller.poll()
    expected = {"Contoso": "in_progress", "Fabrikam": "resolved", "Acme Manufacturing": "investigating"}
    assert statuses(world, NAME) == expected and world.client().call("GET", "/api/issues", 200)["total"] == 1

    supplier.show(statuspage(incident(status="resolved")))
    poller.poll()
    assert statuses(world, NAME) == expected | {"Acme Manufacturing": "resolved"}, "a person had changed Contoso"
    assert [event.note for event in world.history()[-3:-1]] == [None, "It is resolved."]
    supplier.show(statuspage())
    before = len(world.history())
    poller.poll()
    assert len(world.history()) == before and health(world)["open_incidents"] == 0
    supplier.show(statuspage(incident()))
    poller.poll()
    assert statuses(world, NAME)["Acme Manufacturing"] == "investigating"
    supplier.show(statuspage())
    poller.poll()
    assert statuses(world, NAME)["Acme Manufacturing"] == "resolved", "an incident that vanishes is over"
    assert poller.counted("changed") == 6 and poller.counted("failed") == 0
    labels = {"receiver": "Contoso Fibre", "outcome": "opened"}
    assert poller.registry.get_sample_value("issue_tracker_alerts_total", labels) == 1


@decided_in_python
@pytest.mark.parametrize("written", [rss, atom], ids=["rss", "atom"])
def test_rss_and_atom_say_what_is_open(world: World, supplier: Supplier, written: Callable[..., str]) -> None:
    given_feed(world, supplier.url)
    poller = Poller(world)

    def shown(**what: object) -> dict[str, str]:
        supplier.show(written(world.clock.now(), **what))
        poller.poll()
        assert health(world)["failure"] is None
        return statuses(world, NAME)

    for first in ({"status": "Scheduled"}, {"status": "Resolved"}, {"age": 8}, {"title": "[RESOLVED] No connections"}):
        supplier.show(written(world.clock.now(), **first))
        poller.poll()
        assert listed(world) == [], first
    assert shown() == {"Contoso": "investigating", "Fabrikam": "investigating"}
    [alert, _] = listed(world)
    assert alert["url"] == "https://status.example/1" and "Investigating - It is so." in alert["summary"]
    assert alert["labels"]["status"] == "investigating" and "<" not in alert["summary"]
    assert set(shown(status="Resolved").values()) == {"resolved"}
    assert set(shown(status="Identified").values()) == {"investigating"}
    assert set(shown(age=8).values()) == {"resolved"}


def test_only_one_process_polls_a_feed(world: World, supplier: Supplier, monkeypatch: pytest.MonkeyPatch) -> None:
    given_feed(world, supplier.url)
    supplier.show(statuspage(incident()))
    now: datetime = world.clock.now()
    with world.database.read() as tx:
        [(receiver_id, due_at)] = SCHEDULE.due(tx, now, 4)
    with world.database.write() as tx:
        assert claim_feed(tx, receiver_id, due_at, now) is not None
    with world.database.write() as tx:
        assert claim_feed(tx, receiver_id, due_at, now) is None
    poller = Poller(world)
    assert poller.poll(0) == 0 and supplier.codes == []
    monkeypatch.setattr(polling, "AT_A_TIME", 0)
    assert poller.poll(3) == 0, "enough polls are under way"
    monkeypatch.setattr(polling, "AT_A_TIME", 1)
    assert poller.poll(0) == 1, "the claim of a killed process expires"
    assert statuses(world, NAME)["Contoso"] == "investigating"


def test_rules_apply_to_incidents(world: World, supplier: Supplier) -> None:
    given_feed(world, supplier.url)
    maintenance = [{"label": "components", "operator": "like", "value": "*portal*"}]
    given_rule(world, "Portal", ignore=True, receiver="Contoso Fibre", conditions=maintenance)
    rule = given_rule(world, "Lines", issue="{supplier} outage", severity="critical", receiver="Contoso Fibre")
    poller = Poller(world)
    portal = incident("9", "Portal") | {"components": [{"name": "Customer portal"}]}
    supplier.show(statuspage(incident(), incident("2", "Slow lines"), portal))
    poller.poll()
    [issue] = world.client().call("GET", "/api/issues", 200)["items"]
    assert (issue["name"], len(issue["assignments"])) == ("Contoso Fibre outage", 2)
    tried = {"labels": listed(world)[0]["labels"], "rule": {"issue": "{title}"}}
    for receiver, companies in (("", 2), ("Contoso Fibre", 2), ("Another", 0)):
        found = world.client("ada").call("POST", "/api/alert-rules/try", 200, json=tried | {"receiver": receiver})
        assert len(found["company_names"]) == companies, receiver
    supplier.show(statuspage(incident("2", "Slow lines"), portal))
    poller.poll()
    assert statuses(world, "Contoso Fibre outage")["Contoso"] == "investigating", "another incident is still open"
    # Without the rule, the incident is still about the companies of the feed's group.
    assert world.client("ada").post(f"/admin/alerts/rules/{rule['id']}/undo", data={}).status_code == 303
    assert {one["key"] for one in listed(world, "?state=firing")} == {"2@contoso", "2@fabrikam"}
    assert set(statuses(world, "Contoso Fibre: Slow lines").values()) == {"investigating"}
    supplier.show(statuspage(portal))
    poller.poll()
    assert set(statuses(world, "Contoso Fibre: Slow lines").values()) == {"resolved"}


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]><rss version="2.0"><channel>&b;</channel></rss>'
FILE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]><rss version="2.0"><channel>&a;</channel></rss>'
HOSTILE = {
    "nothing": "",
    "a page": "<html><head><title>x</title></head><body>Down<br></body></html>",
    "another page": "<html><body>Down</body></html>",
    "broken JSON": '{"incidents": [',
    "other JSON": '{"components": []}',
    "a list": "[]",
    "wrong types": '{"incidents": [{"id": 1, "name": [], "status": null}]}',
    "deep JSON": '{"incidents":' + "[" * 100_000,
    "too many": statuspage(*(incident(str(number)) for number in range(101))),
    "huge": '{"incidents": [' + " " * 1_100_000 + "]}",
    "entities": BOMB,
    "attributes": '<rss version="2.0" ' + " ".join(f'a{n}=""' for n in range(50_000)) + "><channel></channel></rss>",
    "a file": FILE,
    "deep": '<rss version="2.0"><channel>' + "<a>" * 2000 + "</a>" * 2000 + "</channel></rss>",
    "many elements": '<rss version="2.0"><channel>' + "<a/>" * 60_000 + "</channel></rss>",
    "an address": "http://127.0.0.1/feed.xml",
    "bytes": "\udcff\udcfe\0<rss/>",
}


@decided_in_python
def test_hostile_feeds_change_nothing(world: World, supplier: Supplier, logged: Logged) -> None:
    given_feed(world, supplier.url)
    poller = Poller(world)
    supplier.show(statuspage(incident()))
    poller.poll()
    before, alerts = len(world.history()), listed(world)
    for number, (what, content) in enumerate(HOSTILE.items(), 1):
        supplier.show(content.encode("utf-8", "surrogateescape"))
        assert poller.poll(7 * 60) == 1, what
        found = health(world)
        assert found["failures"] == number and found["last_failure_at"] and len(found["failure"]) < 200, what
        assert found["failure"].startswith("The feed ") and found["open_incidents"] == 1, (what, found["failure"])
        assert "log of the server" not in found["failure"], what
    for code, headers in ((500, {}), (302, {"Location": "http://127.0.0.1/"}), (204, {}), (403, {})):
        supplier.code, supplier.headers = code, headers
        poller.poll(7 * 60)
        assert str(code) in health(world)["failure"]
    assert "root:" not in logged.text and "Traceback" not in logged.text
    assert len(world.history()) == before and listed(world) == alerts
    assert poller.counted("failed") == len(HOSTILE) + 4 and statuses(world, NAME)["Contoso"] == "investigating"

    # The delay is doubled after each failure, up to six hours. A success ends that.
    with world.database.read() as tx:
        due = tx.execute(select(alert_feeds.c.due_at)).scalar_one()
    assert 359 < (due - world.clock.now()).total_seconds() / 60 <= 360
    supplier.code, supplier.headers = 200, {}
    supplier.show(statuspage(incident(title="<script>alert(1)</script>", identity="<b>\x1b[31m")))
    poller.poll(7 * 60)
    assert health(world)["failures"] == 0 and health(world)["failure"] is None
    assert statuses(world, NAME)["Contoso"] == "resolved"
    assert {alert["issue"] for alert in listed(world, "?state=firing")} == {"Contoso Fibre: <script>alert(1)</script>"}


def test_feeds_are_managed_by_super_admins(world: World, supplier: Supplier, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = given_feed(world, supplier.url)
    ada, here = world.client("ada"), f"/api/alert-receivers/{receiver}"
    poller = Poller(world)
    good = {"url": supplier.url, "company_group": GROUP}
    for body, field in (
        ({"kind": "feed"}, "feed"),
        ({"kind": "icinga", "feed": good}, "feed"),
        ({"kind": "feed", "feed": good | {"url": "file:///etc/passwd"}}, "feed.url"),
        ({"kind": "feed", "feed": good | {"url": "https://user@status.example/"}}, "feed.url"),
        ({"kind": "feed", "feed": good | {"company_group": "Nobody"}}, "feed.company_group"),
        ({"kind": "feed", "feed": good | {"interval_minutes": 0}}, "feed.interval_minutes"),
    ):
        refused = ada.call("POST", "/api/alert-receivers", 400, json={"name": "N", **body})
        assert [error["field"] for error in refused["errors"]] == [field]
    assert ada.call("GET", "/api/alert-receivers", 200)["total"] == 1
    ada.call("POST", f"{here}/rotate-secret", 400)

    # A private address is refused unless the setting permits it, also for a trial.
    trial = {"feed": good, "receiver": "Contoso Fibre"}
    refused = ada.call("POST", "/api/alert-receivers/try-feed", 400, json=trial)
    assert "not a public address" in refused["detail"] and supplier.codes == []
    monkeypatch.setattr("issue_tracker.alerts.feeds.polling.networks", lambda _: [ip_network("127.0.0.0/8")])
    supplier.show(statuspage(incident(), incident("2", "Old", "resolved")))
    tried = ada.call("POST", "/api/alert-receivers/try-feed", 200, json=trial)
    [one] = tried["open_incidents"]
    assert tried["over"] == 1 and one["title"] == "No connections"
    assert one["outcome"]["issue_name"] == NAME and one["outcome"]["company_names"] == ["Contoso", "Fabrikam"]
    assert listed(world) == []

    changed = ada.call("PUT", here, 200, json={"feed": good | {"interval_minutes": 60}})["feed"]
    assert changed["interval_minutes"] == 60
    assert world.history(audit=True)[-1].note == f"{receiver}: Contoso Fibre (feed)"
    ada.call("PUT", here, 200, json={"active": False})
    assert poller.poll() == 0 and health(world)["next_poll_at"] is None
    ada.call("PUT", here, 200, json={"active": True})
    assert poller.poll() == 1 and poller.poll(30) == 0 and poller.poll(31) == 1
    group = ada.call("GET", "/api/company-groups", 200)["items"][0]["group_id"]
    ada.call("DELETE", f"/api/company-groups/{group}", 204)
    poller.poll(61)
    assert "was deleted" in health(world)["failure"] and len(listed(world, "?state=firing")) == 2
    ada.call("DELETE", here, 204)
    assert poller.poll(600) == 0 and listed(world) == []
