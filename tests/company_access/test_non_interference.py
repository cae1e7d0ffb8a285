"""Non-interference: hidden data changes no byte of any response (contract, section 12)."""

from collections.abc import Iterable, Iterator

import pytest

from issue_tracker.app import declared_routes
from issue_tracker.events.queries import search
from issue_tracker.http.identity import Access
from issue_tracker.issues.queries import issue_list, portal
from tests.company_access.calls import API, CALLS
from tests.company_access.pair import Pair, two_worlds
from tests.shared import Shared
from tests.world import Clock

CLOSED_TO_CUSTOMERS = {
    f"{route.method} {route.path}"
    for route in declared_routes()
    if route.access in (Access.HELPDESK, Access.SUPER_ADMIN)
}
"""Routes that answer every customer with the same 403, whatever is in the database."""


@pytest.fixture
def pair(engine: str, shared: Shared, clock: Clock) -> Iterator[Pair]:
    with two_worlds(engine, shared, clock) as pair:
        yield pair


def differences(pair: Pair, routes: Iterable[str], *readers: str, internal: bool = False) -> list[str]:
    """Returns every response to the users, by default all of them, in which the two databases differ.

    With `internal` the databases also differ in internal texts about visible companies, which only customers must not
    notice.
    """
    found = []
    refused = False
    for name in routes:
        # Where only customers read, the many routes that refuse all of them follow one disturbance together.
        if not (refused and internal and name in CLOSED_TO_CUSTOMERS):
            pair.disturb()
            if internal:
                pair.write_internally()
        refused = name in CLOSED_TO_CUSTOMERS
        method = name.split(" ")[0]
        for who in readers or pair.clients:
            if who.endswith("token") and (name not in API or method != "GET"):
                continue
            for call in CALLS[name]:
                one, other = pair.ask(who, method, call)
                if one != other:
                    found.append(f"{who}: {method} {call.path} {call.json or call.form or ''}: {one} {other}")
    return found


def test_every_route_has_an_example() -> None:
    assert {f"{route.method} {route.path}" for route in declared_routes()} == set(CALLS)


@pytest.mark.long
def test_hidden_data_changes_no_byte_of_any_response(pair: Pair) -> None:
    found = differences(pair, CALLS, "tess", "omar", "tess by token")
    assert not found, "\n\n".join(found)


@pytest.mark.long
def test_internal_texts_change_no_byte_for_a_customer(pair: Pair) -> None:
    found = differences(pair, CALLS, "cara", "cara by token", internal=True)
    assert not found, "\n\n".join(found)


def test_a_missing_access_condition_is_detected(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(issue_list, "visible_companies", lambda _access, company_ids: company_ids)
        assert differences(pair, ["GET /api/issues"])
    with monkeypatch.context() as patch:
        patch.setattr(search, "visible_to", lambda _access: [])
        assert differences(pair, ["GET /api/events"])
    own = ["GET /api/portal/issues"]
    assert not differences(pair, own, "cara", internal=True)
    with monkeypatch.context() as patch:
        patch.setattr(portal, "own_companies", lambda _actor: range(1, 1000))
        assert differences(pair, own, "cara")
