"""The history on pages: the changes of one request are one entry, on one page, however many events it recorded."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape

from issue_tracker.actor import Actor, Role
from issue_tracker.clock import now
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from tests.clients import Client
from tests.world import World

TAG = re.compile(r"<[^>]+>")

COMPANIES = 203
"""More than the events that one statement reads while a page is filled."""

Recording = tuple[Actor, Change, datetime]


def _pages(client: Client, path: str) -> Iterator[list[str]]:
    """Returns the entries of a history as text, page by page."""
    url: str | None = path
    while url:
        text = client.get(url).raise_for_status().text
        # The activity has a list for each day.
        history = "".join(re.findall(r'<ol class="history">(.*?)</ol>', text, re.DOTALL))
        entries = re.findall(r"<li>(.*?)</li>", history, re.DOTALL)
        yield [" ".join(unescape(TAG.sub(" ", entry)).split()) for entry in entries]
        older = re.search(r'<a href="([^"]+)">Older</a>', text)
        url = unescape(older[1]) if older else None
        if url and url.startswith("?"):
            url = path + url


def _changes(request_id: str, issue: str, numbers: range, at: datetime, status: str = "resolved") -> list[Recording]:
    """Yields the changes of one request to companies, one event at a time."""
    actor = Actor(None, "Tess Ngo", Role.TECHNICIAN, "session", request_id)
    return [
        (
            actor,
            Change(
                type=EventType.ASSIGNMENT_STATUS_CHANGED,
                issue=Subject(len(issue), issue),
                company=Subject(number, f"Company {number}"),
                before="new",
                after=status,
            ),
            at,
        )
        for number in numbers
    ]


def _record(world: World, changes: list[Recording]) -> None:
    with world.database.write() as tx:
        for actor, change, at in changes:
            record(tx, actor, [change], at)


def test_one_request_is_one_entry_with_all_its_companies(world: World) -> None:
    names = [f"Company {number:03}" for number in range(COMPANIES)]
    world.given_companies(*names)
    issue_id = world.given_issue("VPN", dict.fromkeys(names, "new"))
    client = world.client()
    body = {"issue_name": "VPN", "status": "resolved"}
    assert client.call("POST", "/api/issues/status/bulk", 200, json=body)["changed"] == COMPANIES

    for path in (f"/issues/{issue_id}", "/activity"):
        first, *older = _pages(client, path)
        assert f"set {COMPANIES} companies to Resolved" in first[0]
        assert all(name in first[0] for name in names)
        rest = [entry for page in (first[1:], *older) for entry in page]
        assert not any("Resolved" in entry for entry in rest)
        # They were created on the command line, so each is one entry.
        assert sorted(re.findall(r"added (Company \d+) ", " ".join(rest))) == names


def test_simultaneous_requests_are_one_entry_each(world: World) -> None:
    """On PostgreSQL concurrent transactions interleave their event numbers; this test does so on both databases."""
    at = now()
    first, second = (_changes(issue, issue, range(1, 31), at) for issue in ("VPN", "Mail"))
    _record(world, [change for both in zip(first, second, strict=True) for change in both])
    # With these events the first page is full in the middle of the two requests.
    for number in range(59):
        _record(world, _changes(f"later {number}", f"Fault {number}", range(1, 2), at))

    first_page, *older = _pages(world.client(), "/activity")

    assert [entry for page in older for entry in page] == []
    assert len(first_page) == 61
    assert [re.findall(r"set (.*) to .* in “(\w+)”", entry) for entry in first_page[-2:]] == [
        [("30 companies", "Mail")],
        [("30 companies", "VPN")],
    ]


def test_a_reused_request_id_is_another_request(world: World) -> None:
    at = now()
    for day, status in enumerate(("resolved", "new", "resolved")):
        _record(world, _changes("nightly", "VPN", range(1, 4), at + timedelta(days=day), status))

    (page,) = _pages(world.client(), "/activity")

    assert [re.findall(r"set (\d) companies to (\w+) in", entry) for entry in page] == [
        [("3", "Resolved")],
        [("3", "New")],
        [("3", "Resolved")],
    ]


def test_requests_with_the_same_id_are_entries_of_their_own(world: World) -> None:
    """A proxy replaces every request id by one of its own."""
    tess, names = world.client(), [f"Fault {number}" for number in range(6)]
    constant = {"X-Request-ID": "gateway"}
    for name in names:
        body = {"name": name, "companies": [{"company_name": "Contoso"}]}
        tess.call("POST", "/api/issues", 201, json=body, headers=constant)
    for company in ("Fabrikam", "Acme Manufacturing"):
        body = {"issue_name": "Fault 0", "company_name": company, "status": "new"}
        tess.call("PUT", "/api/issues/status", 200, json=body, headers=constant)

    (page,) = _pages(tess, "/activity")

    assert [re.findall(r"added (.*) to “(Fault \d)”", entry) for entry in page[:2]] == [
        [("Acme Manufacturing", "Fault 0")],
        [("Fabrikam", "Fault 0")],
    ]
    created = [found for entry in page for found in re.findall(r"created “(Fault \d)”", entry)]
    assert created == names[::-1]


def test_a_page_of_large_changes_has_fewer_entries(world: World) -> None:
    at = now()
    with world.database.write() as tx:
        for number in range(4):
            recorded = _changes(f"request {number}", f"Fault {number}", range(1, 701), at)
            record(tx, recorded[0][0], [change for _, change, _ in recorded], at)

    pages = list(_pages(world.client(), "/activity"))

    assert [len(page) for page in pages] == [2, 2]
    entries = [entry for page in pages for entry in page]
    assert all("set 700 companies" in entry for entry in entries)
    assert [re.findall(r"“(Fault \d)”", entry)[0] for entry in entries] == [
        f"Fault {3 - number}" for number in range(4)
    ]


def test_a_change_of_an_issue_is_a_sentence_about_its_field(world: World) -> None:
    issue_id = world.given_issue("VPN")
    client = world.client()
    client.call("PUT", "/api/issues/VPN", 200, json={"new_name": "Tunnel", "description": "Down since noon"})

    ((first, second, _),) = _pages(client, f"/issues/{issue_id}")
    assert first.startswith("Tess Ngo changed the description ") and "renamed “VPN” to “Tunnel”" in second
    assert first.count("description") == 1
    ((first, *_),) = _pages(client, "/activity")
    assert first.startswith("Tess Ngo changed the description of “Tunnel” ")


def test_names_find_the_same_events_as_in_the_api(world: World) -> None:
    ada = world.client("ada")
    company = world.given_companies("Contoso")["Contoso"]
    world.given_issue("VPN", {"Contoso": "new"})
    world.given_issue("Mail", {"Fabrikam": "new"})
    ada.call("PUT", "/api/issues/VPN", 200, json={"new_name": "Tunnel"})
    ada.call("PUT", f"/api/companies/{company}", 200, json={"name": "Adatum"})
    ada.call(
        "PUT", "/api/issues/status", 200, json={"issue_name": "Tunnel", "company_name": "Adatum", "status": "closed"}
    )

    expected = {"issueName=tunnel": 4, "issueName=VPN": 2, "companyName=adatum": 2, "companyName=Contoso": 1}
    expected |= {"issueName=Tunnel&companyName=Adatum": 2, "issueName=Tunnel&actor=Ada Lund": 2}
    for filters, count in expected.items():
        (entries,) = _pages(world.client(), f"/activity?{filters}")
        found = world.client().call("GET", f"/api/events?{filters}", 200)["total"]
        assert (len(entries), found) == (count, count), filters
    for filters, field, kind in (
        ("issueName=Nothing", "issueName", "issue"),
        ("companyName=Nothing", "companyName", "company"),
        ("issueName=VPN&companyName=Nothing", "others", "company"),
    ):
        refused = world.client().get(f"/activity?{filters}")
        assert refused.status_code == 404
        assert f'id="wrong-{field}" role="alert">There is no {kind} called “Nothing”' in refused.text
