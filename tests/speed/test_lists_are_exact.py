"""Fast lists and totals agree with a naive evaluation of all rows, after any changes."""

import random
import unicodedata
from collections import Counter
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from issue_tracker.actor import Actor, CompanyAccess, command_line
from issue_tracker.auth.users import get_user_by_email
from issue_tracker.clock import now
from issue_tracker.companies import operations as company_operations
from issue_tracker.companies.queries import get_companies, get_company_by_name
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import assignment_counters, assignments, issue_counters, issues
from issue_tracker.issues import operations
from issue_tracker.issues.assignments import NewAssignment, set_status, unassign
from issue_tracker.issues.bulk import set_statuses
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.models import Issue
from issue_tracker.issues.queries import limited_attention
from issue_tracker.issues.queries.filters import Filters, Order
from issue_tracker.issues.queries.issue import find_status, get_issue_head
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.names import key, parse_issue_name, parse_name
from issue_tracker.status import OPEN, Status, mask
from tests.world import COMPANIES, World

ACTOR = command_line("test")
LETTERS = "aAäÄßẞſsSéÉe\u0301İıΣςσ\U0001f525ﬁ %_\\\"'*-kKK"
texts = st.text(alphabet=LETTERS, min_size=1, max_size=12)


def folded(text: str) -> str:
    """Returns the casefolded NFC form, implemented independently."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    documents=st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=8),
    term=texts.filter(lambda text: text.strip()),
    cut=st.tuples(st.integers(0, 11), st.integers(1, 6)),
)
def test_search_finds_what_a_naive_scan_finds(
    world: World, documents: list[tuple[str, str | None]], term: str, cut: tuple[int, int]
) -> None:
    """Terms are random, or parts of an existing text so that something is found."""
    source = folded(documents[0][1] or documents[0][0])
    wanted = [term, source[cut[0] : cut[0] + cut[1]]]
    with world.database.write() as tx:
        stored = []
        for number, (name, description) in enumerate(documents):
            head = operations.create_issue(tx, ACTOR, parse_issue_name(f"{name}{number}"), description)
            stored.append((head.name, head.description))
        for each in wanted:
            if not each.strip():
                continue
            filters = Filters(search=each.strip())
            naive = {
                name
                for name, description in stored
                if folded(each) in folded(name) or folded(each) in folded(description or "")
            }
            found = IssueList(tx, ACTOR, filters)
            assert {issue.name for issue in found.load(found.rows())} == naive
            assert found.count() == len(naive)
        for name, _ in stored:
            operations.delete_issue(tx, ACTOR, get_issue_head(tx, ACTOR, name, lock=True))


def test_lists_and_totals_are_exact_after_any_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = random.Random(5)
    database = world.database
    names = [f"Fault {number}" for number in range(30)]
    for name in names:
        chosen = turn.sample(COMPANIES, turn.randint(0, 4))
        with database.write() as tx:
            known = get_companies(tx, ACTOR, COMPANIES)
            wanted = [NewAssignment(known[key(company)], turn.choice(list(Status))) for company in chosen]
            operations.create_issue(tx, ACTOR, parse_issue_name(name), None, wanted)
    for number in range(150):
        _change(database, turn, names, number)
    _assert_consistent(database)
    with database.read() as tx:
        everything = IssueList(tx, ACTOR)
        issues = everything.load(everything.rows())
        for filters in _filters(tx):
            for descending in (False, True):
                _assert_listed(tx, issues, filters, descending, ACTOR)
        for access in _accesses(tx):
            limited = msgspec.structs.replace(ACTOR, company_access=access)
            for filters in _filters(tx):
                _assert_listed(tx, issues, filters, False, limited)
        # Unowned issues are examined first, or found in the ranges of companies, or everything is sorted.
        for few, most in ((1000, 4000), (0, 4000), (0, 8)):
            monkeypatch.setattr(limited_attention, "FEW", few)
            monkeypatch.setattr(limited_attention, "MOST", most)
            for access in _accesses(tx):
                _assert_by_attention(tx, msgspec.structs.replace(ACTOR, company_access=access))


def _change(database: Database, turn: random.Random, names: list[str], number: int) -> None:
    place = turn.randrange(len(names))
    with database.write() as tx:
        issue = get_issue_head(tx, ACTOR, names[place], lock=True)
        company = get_companies(tx, ACTOR, [turn.choice(COMPANIES)]).popitem()[1]
        match turn.randrange(11):
            case 0:
                names[place] = f"{turn.choice('abcxyz')} renamed {number}"
                operations.update_issue(tx, ACTOR, issue, new_name=parse_issue_name(names[place]))
            case 1:
                set_statuses(tx, ACTOR, issue, turn.choice(list(Status)))
            case 2:
                if find_status(tx, ACTOR, issue.issue_id, company.company_id) is not None:
                    unassign(tx, ACTOR, issue, company)
            case 3:
                operations.delete_issue(tx, ACTOR, issue)
                operations.create_issue(tx, ACTOR, parse_issue_name(names[place]), None, [])
            case 4 | 5:
                owner = turn.choice([None, get_user_by_email(tx, "tess@helpdesk.example")])
                due = turn.choice([None, now() - timedelta(hours=1), now() + timedelta(hours=1)])
                operations.update_issue(tx, ACTOR, issue, fields=IssueFields(owner=owner, next_update_at=due))
            case 6:
                operations.update_issue(tx, ACTOR, issue, add_members=[NewAssignment(company, Status.NEW)])
            case _:
                set_status(tx, ACTOR, issue, company, turn.choice(list(Status)))


def _assert_consistent(database: Database) -> None:
    """Checks that the denormalized columns that make lists fast equal their sources."""
    with database.read() as tx:
        keys = dict(tx.execute(select(issues.c.issue_id, issues.c.name_key)).all())
        held: dict[int, set[Status]] = {issue_id: set() for issue_id in keys}
        in_status: dict[str, int] = {}
        for issue_id, issue_key, status in tx.execute(
            select(assignments.c.issue_id, assignments.c.issue_key, assignments.c.status)
        ):
            assert issue_key == keys[issue_id]
            held[issue_id].add(Status(status))
            in_status[status] = in_status.get(status, 0) + 1
        stored = dict(tx.execute(select(issues.c.issue_id, issues.c.statuses)).all())
        assert stored == {issue_id: mask(statuses) for issue_id, statuses in held.items()}
        by_statuses = issue_counters.c
        summed = select(by_statuses.statuses, func.sum(by_statuses.issues)).group_by(by_statuses.statuses)
        totals = {statuses: int(number) for statuses, number in tx.execute(summed) if number}
        counted: dict[int, int] = {}
        for statuses in stored.values():
            counted[statuses] = counted.get(statuses, 0) + 1
        assert totals == counted
        by_status = assignment_counters.c
        summed_by_status = tx.execute(
            select(by_status.status, func.sum(by_status.assignments)).group_by(by_status.status)
        )
        assert {status: int(number) for status, number in summed_by_status if number} == in_status


def _filters(tx: Connection) -> list[Filters]:
    ids = sorted(company.company_id for company in get_companies(tx, ACTOR, COMPANIES).values())
    unknown = tuple(range(ids[-1] + 1, ids[-1] + 6))
    companies = [None, (), (ids[0],), (ids[1], ids[3]), tuple(ids), (*ids, *unknown)]
    statuses = [None, (), (Status.NEW,), (Status.CLOSED, Status.NEW), tuple(Status)]
    return [
        Filters(company_ids=of, statuses=which, search=search)
        for of in companies
        for which in statuses
        for search in ("", "a", "renamed")
    ]


def _accesses(tx: Connection) -> list[CompanyAccess]:
    """Returns limited access to none, one, some and most of the companies."""
    ids = sorted(company.company_id for company in get_companies(tx, ACTOR, COMPANIES).values())
    visible: tuple[list[int], ...] = ([], ids[:1], ids[1:4], [*ids[1:], *range(10**6, 10**6 + 9)])
    return [CompanyAccess(frozenset(company_ids)) for company_ids in visible]


def _assert_listed(tx: Connection, issues: list[Issue], filters: Filters, descending: bool, actor: Actor) -> None:
    """Compares the list, page by page, in order and with the totals, with a filter over all `issues` in Python."""
    order = Order("name", descending)
    found = IssueList(tx, actor, filters, order)
    limited = not actor.company_access.all
    expected = []
    in_status: Counter[Status] = Counter()
    for issue in issues:
        if filters.search and key(filters.search) not in key(issue.name):
            continue
        of_companies = [
            member
            for member in issue.assignments
            if actor.company_access.allows(member.company_id)
            and (filters.company_ids is None or member.company_id in filters.company_ids)
        ]
        in_status.update(member.status for member in of_companies)
        members = [member for member in of_companies if filters.statuses is None or member.status in filters.statuses]
        if members or not (filters.on_assignments or limited):
            expected.append((key(issue.name), issue.issue_id, [member.assignment_id for member in members]))
    expected.sort(reverse=descending)
    listed, after = [], None
    while page := IssueList(tx, actor, filters, order, after=after).rows(7):
        listed += page
        after = page[-1].position
    shown = [
        (key(issue.name), issue.issue_id, [member.assignment_id for member in issue.assignments])
        for issue in found.load(listed)
    ]
    assert shown == expected, (filters, actor)
    assert found.count() == len(expected), (filters, actor)
    assert +Counter(found.status_counts()) == in_status, (filters, actor)


def _assert_by_attention(tx: Connection, actor: Actor) -> None:
    """Compares the order “needs attention”, page by page, with one computed in Python from what the actor sees."""
    at = now()
    everything = IssueList(tx, actor)
    places = []
    for issue in everything.load(everything.rows()):
        live = any(member.status.open for member in issue.assignments)
        due = issue.next_update_at is not None and datetime.fromisoformat(issue.next_update_at) < at
        rank = 4 if not live else 2 * (not due) + (issue.owner is not None)
        held = {member.status for member in issue.assignments}
        places.append((rank, datetime.fromisoformat(issue.updated_at), issue.issue_id, held))
    places.sort(key=lambda place: place[:3])
    for statuses in (None, OPEN, (Status.NEW,)):
        filters = Filters(statuses=statuses, at=at)
        listed, after = [], None
        while page := IssueList(tx, actor, filters, Order("attention"), after=after).rows(3):
            listed += [row.issue_id for row in page]
            after = page[-1].position
        expected = [place[2] for place in places if statuses is None or place[3] & set(statuses)]
        assert listed == expected, (statuses, actor)
    for before in [place[1] for place in places[::5]]:
        unmoved = sum(place[1] < before and place[0] < 4 for place in places)
        for most in (2, 1000):
            found = IssueList(tx, actor, Filters(unmoved_since=before)).count_up_to(most)
            assert found == min(most, unmoved), actor


def test_a_renamed_company_is_shown_in_every_cached_page(world: World) -> None:
    """Responses and fragments are cached; a rename by another process must still be visible immediately."""
    with world.database.write() as tx:
        wanted = [NewAssignment(get_company_by_name(tx, ACTOR, "Contoso"), Status.NEW)]
        operations.create_issue(tx, ACTOR, parse_issue_name("Slow mail"), None, wanted)
    tess = world.client("tess")
    for path in ("/api/issues?limit=5", "/api/issues?status=new&limit=5", "/api/issues"):
        for _ in range(2):
            assert "Contoso" in tess.get(path).text
    with world.database.write() as tx:
        company = get_companies(tx, ACTOR, ["Contoso"]).popitem()[1]
        company_operations.update_company(tx, ACTOR, company.company_id, name=parse_name("Contoso International"))
    for path in ("/api/issues?limit=5", "/api/issues?status=new&limit=5", "/api/issues"):
        assert "Contoso International" in tess.get(path).text
