"""Fast lists and totals say what a naive reading of all rows says, whatever happened before."""

import random
import unicodedata
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from issue_tracker.actor import command_line
from issue_tracker.companies import operations as company_operations
from issue_tracker.companies.queries import get_companies
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import assignment_counters, assignments, issue_counters, issues
from issue_tracker.issues import operations, queries
from issue_tracker.issues.bulk import set_statuses
from issue_tracker.issues.operations import NewAssignment
from issue_tracker.issues.queries import Filters, Order
from issue_tracker.names import key, parse_issue_name, parse_name
from issue_tracker.status import Status, mask
from tests.world import COMPANIES, World

ACTOR = command_line("test")
LETTERS = "aAäÄßẞſsSéÉe\u0301İıΣςσ\U0001f525ﬁ %_\\\"'*-kKK"
texts = st.text(alphabet=LETTERS, min_size=1, max_size=12)


def folded(text: str) -> str:
    """The casefolded NFC form, written out once more."""
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
    """Terms are random, or cut out of a text so that something is found."""
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
            found = queries.list_issues(tx, ACTOR, filters)
            assert {issue.name for issue in found} == naive
            assert queries.count_issues(tx, ACTOR, filters) == len(naive)
        for name, _ in stored:
            operations.delete_issue(tx, ACTOR, queries.get_issue_head(tx, ACTOR, name, lock=True))


def test_lists_and_totals_after_any_changes(world: World) -> None:
    turn = random.Random(5)
    database = world.database
    names = [f"Fault {number}" for number in range(30)]
    for name in names:
        chosen = turn.sample(COMPANIES, turn.randint(0, 4))
        with database.write() as tx:
            wanted = [NewAssignment(company, turn.choice(list(Status))) for company in chosen]
            operations.create_issue(tx, ACTOR, parse_issue_name(name), None, wanted)
    for number in range(150):
        _change(database, turn, names, number)
    _assert_consistent(database)
    for filters in _filters(database):
        for descending in (False, True):
            _assert_listed(database, filters, descending)


def _change(database: Database, turn: random.Random, names: list[str], number: int) -> None:
    place = turn.randrange(len(names))
    with database.write() as tx:
        issue = queries.get_issue_head(tx, ACTOR, names[place], lock=True)
        company = get_companies(tx, ACTOR, [turn.choice(COMPANIES)]).popitem()[1]
        match turn.randrange(8):
            case 0:
                names[place] = f"{turn.choice('abcxyz')} renamed {number}"
                operations.update_issue(tx, ACTOR, issue, new_name=parse_issue_name(names[place]))
            case 1:
                set_statuses(tx, ACTOR, issue, turn.choice(list(Status)))
            case 2:
                member = queries.list_assignments(tx, issue.issue_id, company_id=company.company_id)
                if member:
                    operations.unassign(tx, ACTOR, issue, company)
            case 3:
                operations.delete_issue(tx, ACTOR, issue)
                operations.create_issue(tx, ACTOR, parse_issue_name(names[place]), None, [])
            case 4:
                operations.update_issue(tx, ACTOR, issue, add=[NewAssignment(company.name, Status.NEW)])
            case _:
                operations.set_status(tx, ACTOR, issue, company, turn.choice(list(Status)))


def _assert_consistent(database: Database) -> None:
    """The copies that make lists fast are what they are copies of."""
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


def _filters(database: Database) -> list[Filters]:
    with database.read() as tx:
        ids = sorted(company.company_id for company in get_companies(tx, ACTOR, COMPANIES).values())
    companies = [None, (), (ids[0],), (ids[1], ids[3]), tuple(ids)]
    statuses = [None, (), (Status.NEW,), (Status.CLOSED, Status.NEW), tuple(Status)]
    return [
        Filters(company_ids=of, statuses=which, search=search)
        for of in companies
        for which in statuses
        for search in ("", "a", "renamed")
    ]


def _assert_listed(database: Database, filters: Filters, descending: bool) -> None:
    """Page by page, in order, with the total: what filtering every issue by hand gives."""
    order = Order("name", descending)
    with database.read() as tx:
        expected = []
        for issue in queries.list_issues(tx, ACTOR):
            if filters.search and key(filters.search) not in key(issue.name):
                continue
            members = [
                member
                for member in issue.assignments
                if (filters.company_ids is None or member.company_id in filters.company_ids)
                and (filters.statuses is None or member.status in filters.statuses)
            ]
            if members or not filters.on_assignments:
                expected.append((key(issue.name), issue.issue_id, [member.assignment_id for member in members]))
        expected.sort(reverse=descending)
        listed, after = [], None
        while page := queries.list_rows(tx, ACTOR, filters, order, after=after, limit=7):
            listed += page
            after = page[-1].position
        found = queries.load_issues(tx, ACTOR, [row.issue_id for row in listed], filters)
        shown = [
            (key(issue.name), issue.issue_id, [member.assignment_id for member in issue.assignments]) for issue in found
        ]
        assert shown == expected, filters
        assert queries.count_issues(tx, ACTOR, filters) == len(expected)
        wanted = Counter(
            member.status
            for issue in queries.list_issues(tx, ACTOR)
            for member in issue.assignments
            if (not filters.search or key(filters.search) in key(issue.name))
            and (filters.company_ids is None or member.company_id in filters.company_ids)
        )
        assert +Counter(queries.count_statuses(tx, ACTOR, filters)) == wanted


def test_a_renamed_company_shows_in_every_kept_page(world: World) -> None:
    """Pages and renderings are kept; a rename by another process must still show at once."""
    with world.database.write() as tx:
        wanted = [NewAssignment("Contoso", Status.NEW)]
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
