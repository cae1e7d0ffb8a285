"""Messages of any form to every kind of receiver are accepted, or rejected once, clearly and without any change."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from issue_tracker.alerts.senders import Kind
from issue_tracker.database.tables import alerts, events, issues
from tests.alerts.messages import MESSAGES
from tests.alerts.test_alerts import listed
from tests.alerts.test_receivers import given_receiver, send
from tests.engines import decided_in_python
from tests.events.processes import own_servers
from tests.world import Clock, World

MARK = "<b>mark</b>"
"""A text of an attacker. No error and no line of the log repeats it."""

COUNTED = (events, issues)

texts = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [MARK, "", "firing", "resolved", "\0", "\u202ex"]
)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**63, 10**400])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Kind, bytes]:
    """Draws a kind and its message: bytes, any JSON, or a message of the sender in which one part is replaced."""
    kind = draw(st.sampled_from(list(MESSAGES)))
    if draw(st.integers(0, 9)) == 0:
        return kind, draw(st.binary(min_size=1, max_size=200))
    if draw(st.integers(0, 4)) == 0:
        return kind, json.dumps(draw(values)).encode()
    sent = MESSAGES[kind](draw(st.booleans()))
    if isinstance(sent, str):
        return kind, (sent + draw(st.text(max_size=200))).encode()
    message = json.loads(json.dumps(sent))
    places = list(_places(message))
    for _ in range(draw(st.integers(1, 3))):
        holder, name = draw(st.sampled_from(places))
        holder[name] = draw(values)
    return kind, json.dumps(message).encode()


def _places(value: Any) -> Any:
    """Yields every part of a message: its container, and its name or index there."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in list(parts):
        yield value, name
        yield from _places(part)


class Receivers:
    """A receiver of each kind, and the effects of all messages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sender = world.anonymous()
        self._paths = {kind: given_receiver(world, kind.value) for kind in MESSAGES}

    def send(self, kind: Kind, content: bytes) -> httpx.Response:
        return self._sender.post(self._paths[kind], content=content)

    def state(self) -> tuple[int, int, list[Any]]:
        """Returns the data that a rejected message must not change."""
        with self._world.database.read() as tx:
            recorded, made = (tx.execute(select(func.count()).select_from(table)).scalar_one() for table in COUNTED)
            return recorded, made, list(tx.execute(select(alerts.c.key, alerts.c.count).order_by(alerts.c.alert_id)))


@pytest.fixture
def receivers(world: World) -> Receivers:
    return Receivers(world)


# Texts that a database could refuse are sent to both in test_receivers.py.
@decided_in_python
@settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn=messages())
def test_any_message_is_accepted_or_rejected(receivers: Receivers, drawn: tuple[Kind, bytes]) -> None:
    before = receivers.state()
    response = receivers.send(*drawn)
    if response.status_code == 202:
        assert response.json()["received"] <= 500
        return
    assert response.status_code in (400, 415), f"{response.status_code} {response.text}"
    assert set(response.json()) <= {"detail", "errors"} and MARK not in response.text
    assert receivers.state() == before


def test_an_unsorted_alert_does_not_block_the_others(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    names = ("LineDown", "Line\u202eDown", ".", "x" * 400, "z" + "\u0335" * 200)
    alerts = [{"status": "firing", "labels": {"alertname": name, "company": "Contoso"}} for name in names]
    assert send(world, path, {"alerts": alerts}) == {"received": 5, "opened": 3, "unsorted": 2}
    assert len(listed(world, "?state=unsorted")) == 2
    # More marks would cover the lines above and below.
    assert "z" + "\u0335" * 8 in {alert["issue_name"] for alert in listed(world)}


@decided_in_python
def test_an_expression_that_fails_for_a_message_rejects_it(world: World) -> None:
    mapping = {"key": "@[::0]", "state": "to_number(@[0])"}
    body = {"name": "Odd", "kind": "generic", "mapping": mapping}
    url = world.client("ada").call("POST", "/api/alert-receivers", 201, json=body)["url"]
    path = url.removeprefix(world.server.settings.public_url)
    odd: list[Any] = [[[1, 2]], {"a": [[]]}, "x", ["1e999"], [["9" * 5000]]]
    for message in odd:
        assert "detail" in world.anonymous().call("POST", path, 400, json=message)
    assert listed(world) == []


@decided_in_python
def test_the_alerts_of_receivers_are_counted(migrated_url: str) -> None:
    with own_servers(migrated_url, (), ISSUE_TRACKER_METRICS="true") as (server,):
        world = World(server, Clock())
        path = given_receiver(world, "icinga")
        client = world.anonymous()
        for state in ("CRITICAL", "CRITICAL", "OK"):
            body = {"host": "gw-7", "state": state, "type": "PROBLEM", "labels": {"company": "Contoso"}}
            client.call("POST", path, 202, json=body)
        refused: tuple[tuple[int, dict[str, Any]], ...] = (
            (400, {"content": b"{"}),
            (400, {"json": {"host": "gw-7", "state": "ODD"}}),
            (413, {"content": b"x" * 1_100_000}),
            (415, {"content": b"", "headers": {"Content-Length": "0"}}),
            (415, {"json": {}, "headers": {"Content-Encoding": "gzip"}}),
        )
        for status, options in refused:
            client.call("POST", path, status, **options)
        client.call("POST", f"{path}x", 404, json={})
        text = client.get("/metrics").text
        for line in (
            'issue_tracker_alerts_total{outcome="opened",receiver="The icinga"} 1.0',
            'issue_tracker_alerts_total{outcome="kept",receiver="The icinga"} 1.0',
            'issue_tracker_alerts_total{outcome="cleared",receiver="The icinga"} 1.0',
            'issue_tracker_alerts_total{outcome="refused",receiver="The icinga"} 5.0',
            'issue_tracker_alerts_total{outcome="refused",receiver="(none)"} 1.0',
        ):
            assert line in text
        world.close()
