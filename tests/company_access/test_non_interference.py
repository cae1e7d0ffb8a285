"""Non-interference: hidden data changes no byte of any response (contract, section 12)."""

from collections.abc import Iterable, Iterator

import pytest

from issue_tracker.app import declared_routes
from issue_tracker.events.queries import search
from issue_tracker.http.identity import Access
from issue_tracker.issues.queries import issue_list, portal
from tests.company_access.call import Call
from tests.company_access.calls import API, CALLS
from tests.company_access.pair import Pair, two_worlds
from tests.engines import decided_in_python
from tests.shared import Shared
from tests.world import Clock

ACCESS = {f"{route.method} {route.path}": route.access for route in declared_routes()}

CLOSED = {
    "tess": {Access.SUPER_ADMIN, Access.ADMINISTRATOR, Access.PROVIDER, Access.CUSTOMER},
    "omar": {Access.ADMINISTRATOR, Access.PROVIDER, Access.CUSTOMER},
    "cara": {Access.HELPDESK, Access.SUPER_ADMIN, Access.ADMINISTRATOR, Access.PROVIDER},
}
"""Routes that refuse a user before they read anything, whatever is in the database (tests/test_every_route.py)."""


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
    readers = readers or tuple(pair.clients)
    for name in routes:
        asked = [(who, call) for who in readers for call in calls(pair.fuller.engine, name, who)]
        if asked and shows_hidden_changes(name, readers):
            pair.disturb()
            if internal:
                pair.write_internally()
        for who, call in asked:
            method = name.split(" ")[0]
            one, other = pair.ask(who, method, call)
            if one != other:
                found.append(f"{who}: {method} {call.path} {call.json or call.form or ''}: {one} {other}")
    return found


def shows_hidden_changes(name: str, readers: Iterable[str]) -> bool:
    """Returns whether the route could show a reader what has just changed: reads, and writes to issues."""
    if all(ACCESS[name] in CLOSED[who.split()[0]] for who in readers):
        return False
    return name.startswith("GET ") or ACCESS[name] is Access.HELPDESK


def calls(engine: str, name: str, who: str) -> list[Call]:
    """Returns the example calls of a route for a user: all, or fewer where others would show nothing more.

    Tess and Cara make every call to the routes that are open to them. Omar is limited like Tess and makes every call to
    the routes for super admins. On SQLite, the first call of a route also shows how it refuses a user, and that Omar
    and the tokens have the access of Tess and Cara: both are decided before the first statement, on both databases.
    """
    user, _, token = who.partition(" ")
    closed = ACCESS[name] in CLOSED[user]
    like_another = bool(token) or (user == "omar" and ACCESS[name] is not Access.SUPER_ADMIN)
    if not closed and not like_another:
        return CALLS[name]
    if engine == "postgresql" or (token and not (name in API and name.startswith("GET "))):
        return []
    return [] if ACCESS[name] is Access.PUBLIC else CALLS[name][:1]


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


@decided_in_python
def test_a_missing_access_condition_is_detected(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(issue_list, "visible_companies", lambda _access, company_ids: company_ids)
        assert differences(pair, ["GET /api/issues"], "tess")
    with monkeypatch.context() as patch:
        patch.setattr(search, "visible_to", lambda _tx, _access: [])
        assert differences(pair, ["GET /api/events"], "tess")
    own = ["GET /api/portal/issues"]
    assert not differences(pair, own, "cara", internal=True)
    with monkeypatch.context() as patch:
        patch.setattr(portal, "own_companies", lambda _actor: range(1, 1000))
        assert differences(pair, own, "cara")
