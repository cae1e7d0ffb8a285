"""Limited company access in reads of issues: a hidden company is treated like an unknown one (contract, section 12)."""

from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import Connection

from issue_tracker.actor import Actor, CompanyAccess, Role, command_line
from issue_tracker.clock import now
from issue_tracker.companies.queries import find_companies
from issue_tracker.errors import NotFound
from issue_tracker.issues.assignments import set_status
from issue_tracker.issues.bulk import set_statuses
from issue_tracker.issues.fragments import FragmentCache
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.overview import company_members
from issue_tracker.issues.queries.filters import Filters
from issue_tracker.issues.queries.issue import (
    find_assignment,
    find_issue_head,
    find_status,
    get_assignment,
    get_issue_head,
    get_issue_head_by_id,
    list_members,
    load_issue,
)
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.matrix import read_matrix, read_rows
from issue_tracker.issues.undo import Undone, undo
from issue_tracker.names import key
from issue_tracker.status import Status
from tests.world import World

ADA = command_line("Ada")


@pytest.fixture
def tx(world: World) -> Iterator[Connection]:
    """A transaction on one issue of Contoso and Fabrikam, one of Fabrikam, and one without companies."""
    world.given_issue("Shared", {"Contoso": "new", "Fabrikam": "resolved"})
    world.given_issue("Hidden", {"Fabrikam": "new"})
    world.given_issue("Idle")
    with world.database.write() as tx:
        yield tx


@pytest.fixture
def ids(tx: Connection) -> dict[str, int]:
    """Returns the ids of two companies."""
    found = find_companies(tx, ADA, ["Contoso", "Fabrikam"])
    return {name: found[key(name)].company_id for name in ("Contoso", "Fabrikam")}


@pytest.fixture
def tess(ids: dict[str, int]) -> Actor:
    """A technician who sees only Contoso."""
    access = CompanyAccess(frozenset({ids["Contoso"]}))
    return Actor(None, "Tess", Role.TECHNICIAN, "cli", request_id="request-1", company_access=access)


def test_an_issue_of_hidden_companies_does_not_exist(tx: Connection, tess: Actor) -> None:
    for name in ("Hidden", "Idle"):
        hidden = get_issue_head(tx, ADA, name)
        assert find_issue_head(tx, tess, name) is None
        with pytest.raises(NotFound) as unknown:
            get_issue_head(tx, tess, "Unknown")
        with pytest.raises(NotFound) as refused:
            get_issue_head(tx, tess, name)
        assert str(refused.value) == str(unknown.value).replace("Unknown", name)
        for lock in (False, True):
            with pytest.raises(NotFound):
                get_issue_head_by_id(tx, tess, hidden.issue_id, lock=lock)
        with pytest.raises(NotFound):
            load_issue(tx, tess, hidden.issue_id)


def test_a_visible_issue_has_only_its_visible_assignments(tx: Connection, tess: Actor, ids: dict[str, int]) -> None:
    head = get_issue_head(tx, tess, "shared", lock=True)
    assert head == get_issue_head(tx, ADA, "Shared")
    assert [member.company_name for member in load_issue(tx, tess, head.issue_id).assignments] == ["Contoso"]
    assert [member.company.name for member in list_members(tx, tess, head.issue_id)] == ["Contoso"]
    assert [result.company_name for result in set_statuses(tx, tess, head, Status.CLOSED, dry_run=True)] == ["Contoso"]
    assert get_assignment(tx, tess, head, ids["Contoso"]).status is Status.NEW
    assert find_assignment(tx, tess, head, ids["Fabrikam"]) is None
    assert find_status(tx, tess, head.issue_id, ids["Fabrikam"]) is None
    with pytest.raises(NotFound):
        get_assignment(tx, tess, head, ids["Fabrikam"])


def test_pages_show_only_visible_companies(tx: Connection, tess: Actor, ids: dict[str, int]) -> None:
    assert [member.issue_name for member in company_members(tx, tess, ids["Contoso"])] == ["Shared"]
    assert company_members(tx, tess, ids["Fabrikam"]) == []
    assert len(company_members(tx, ADA, ids["Fabrikam"])) == 2
    for actor, rows, columns in (
        (tess, ["Shared"], ["Contoso"]),
        (ADA, ["Hidden", "Shared"], ["Contoso", "Fabrikam"]),
    ):
        issues = IssueList(tx, actor)
        matrix = read_matrix(tx, actor, issues, read_rows(issues, issues.rows(), now()), None)
        assert [row.name for row in matrix.rows] == rows
        assert sorted(column.name for column in matrix.columns) == columns


def test_fragments_are_not_shared_between_accesses_or_filters(tx: Connection, tess: Actor) -> None:
    cache = FragmentCache()

    def rendered(actor: Actor, *statuses: Status) -> dict[str, list[str]]:
        issues = IssueList(tx, actor, Filters(statuses=statuses or None))
        decoded = [msgspec.json.decode(fragment) for fragment in cache.render(issues, issues.rows())]
        return {issue["name"]: [member["company_name"] for member in issue["assignments"]] for issue in decoded}

    for _ in range(2):
        assert rendered(ADA) == {"Hidden": ["Fabrikam"], "Idle": [], "Shared": ["Contoso", "Fabrikam"]}
        assert rendered(tess) == {"Shared": ["Contoso"]}
        assert rendered(ADA, Status.NEW) == {"Hidden": ["Fabrikam"], "Shared": ["Contoso"]}
        assert rendered(ADA, Status.RESOLVED) == {"Shared": ["Fabrikam"]}
        assert rendered(tess, Status.RESOLVED) == {}


def test_an_undo_affects_only_visible_assignments(tx: Connection, tess: Actor, ids: dict[str, int]) -> None:
    """The actor's access may have been narrowed since the request."""
    everywhere = msgspec.structs.replace(tess, user_id=7, company_access=ADA.company_access)
    limited = msgspec.structs.replace(everywhere, company_access=tess.company_access)
    companies = find_companies(tx, ADA, ids)
    shared: IssueHead = get_issue_head(tx, ADA, "Shared", lock=True)
    for company in companies.values():
        set_status(tx, everywhere, shared, company, Status.MONITORING)

    [undone] = undo(tx, limited, "request-1").undone
    assert msgspec.structs.replace(undone, status_since=None) == Undone(shared.issue_id, ids["Contoso"], Status.NEW)

    found = {member.company.name: member.status for member in list_members(tx, ADA, shared.issue_id)}
    assert found == {"Contoso": Status.NEW, "Fabrikam": Status.MONITORING}
