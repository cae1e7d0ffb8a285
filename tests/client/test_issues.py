"""Every operation on issues, through the blocking and the async client, against a real server on both
databases.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issue_tracker_client import (
    BadRequest,
    BulkResult,
    Changed,
    FieldError,
    Forbidden,
    InvalidQuery,
    Misuse,
    NotFound,
    Status,
    Tracker,
)
from tests.waiting import eventually
from tests.world import CAST, PASSWORD, World

AWKWARD = [
    "TCP/IP",
    "/",
    "//",
    "100% loss?",
    "a//b",
    "a/../b",
    "%2F",
    "Straße",
    "🔥 core",
    "#1",
    "+",
    "..x",
    "...",
    "x/.",
]
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


def test_an_issue_is_created_changed_and_deleted(tracker: Tracker, admin: Tracker) -> None:
    made = tracker.create_issue(
        "Network degradation", description="Packet loss", companies={"Acme": "In Progress", "Contoso": None}
    )
    assert [(one.company_name, one.status, one.status_label) for one in made.assignments] == [
        ("Acme", "in_progress", "In progress"),
        ("Contoso", "new", "New"),
    ]
    assert made.created_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - made.created_at) < timedelta(minutes=5)
    assert tracker.issue("NETWORK degradation") == made
    assert made.assignment("contoso ") == made.assignments[1]
    assert made.assignment("Globex") is None

    renamed = tracker.update_issue("network DEGRADATION", new_name="WAN down", description="")
    assert (renamed.name, renamed.description) == ("WAN down", None)
    grown = tracker.update_issue("WAN down", add_companies=[("Globex", "monitoring"), "Acme"])
    assert [(one.company_name, one.status) for one in grown.assignments] == [
        ("Acme", "in_progress"),
        ("Contoso", "new"),
        ("Globex", "monitoring"),
    ]
    tracker.unassign("WAN down", "globex")
    with pytest.raises(Forbidden):
        tracker.delete_issue("WAN down")
    admin.delete_issue("WAN down")
    with pytest.raises(NotFound):
        tracker.issue("WAN down")


def test_a_status_is_set_by_natural_names(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies=["Acme"])
    done = tracker.set_status("vpn", "acme", Status.RESOLVED, note="Line replaced")
    assert (done.issue_name, done.company_name, done.status) == ("VPN", "Acme", "resolved")
    assert tracker.set_status("VPN", "Acme", "resolved") == done
    assert tracker.set_status("VPN", "Contoso", "monitoring").company_name == "Contoso"


def test_awkward_names_work(tracker: Tracker, admin: Tracker) -> None:
    for name in AWKWARD:
        tracker.create_issue(name, companies=["Acme"])
        assert tracker.issue(name.swapcase()).name == name
        assert tracker.update_issue(name, description="seen").description == "seen"
        assert [one.name for one in tracker.issues(search=name)] == [name]
        assert tracker.set_status(name, "Acme", "closed").issue_name == name
        admin.delete_issue(name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names)
def test_any_valid_name_is_found(admin: Tracker, name: str) -> None:
    try:
        made = admin.create_issue(name)
    except BadRequest:
        return
    assert admin.issue(made.name).issue_id == made.issue_id
    assert admin.update_issue(name, new_name=f"{made.name[:30]}#").issue_id == made.issue_id
    admin.delete_issue(f"{made.name[:30]}#")


def test_refusals_are_typed_and_contain_the_reason(tracker: Tracker) -> None:
    tracker.create_issue("VPN")
    with pytest.raises(BadRequest) as taken:
        tracker.create_issue("vpn")
    assert taken.value.status == 400
    assert taken.value.request_id
    with pytest.raises(BadRequest) as invalid:
        tracker.create_issue("x" * 256, companies=[("Acme", "fine")])
    assert {error.field for error in invalid.value.errors} == {"name", "companies[0].status"}
    assert str(invalid.value).count("must be one of") == 1
    assert all(isinstance(error, FieldError) for error in invalid.value.errors)
    with pytest.raises(NotFound, match="Initech") as unknown:
        tracker.create_issue("Line", companies=["Initech", "Hooli"])
    assert "Hooli" in unknown.value.detail
    with pytest.raises(InvalidQuery):
        list(tracker.issues(status="fine"))
    with pytest.raises(NotFound):
        list(tracker.issues(company_name="Initech"))
    for name in ("..", ".", "status"):
        with pytest.raises(BadRequest):
            tracker.create_issue(name)
    with pytest.raises(BadRequest, match="reserved"):
        tracker.ensure_issue("Status")
    for name in ("..", "."):
        with pytest.raises(NotFound):
            tracker.issue(name)
    with pytest.raises(Misuse):
        tracker.issue(" ")


def test_ensure_issue_creates_only_a_missing_issue(tracker: Tracker) -> None:
    made = tracker.ensure_issue("VPN", description="first")
    again = tracker.ensure_issue("vpn", description="second", companies=["Initech"])
    assert again.description == made.description == "first"
    with pytest.raises(NotFound, match="Initech"):
        tracker.ensure_issue("WAN", companies=["Initech"])
    assert [one.name for one in tracker.issues()] == ["VPN"]
    assert [one.status for one in tracker.ensure_issue("WAN", companies={"Acme": "closed"}).assignments] == ["closed"]
    with pytest.raises(BadRequest):
        tracker.ensure_issue("x" * 256)


def test_issues_are_filtered(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies={"Acme": "new", "Contoso": "resolved"})
    tracker.create_issue("Mail", description="VPN needed", companies={"Acme": "closed"})
    tracker.create_issue("Line")
    acme = tracker.issue("VPN").assignments[0].company_id

    assert [one.name for one in tracker.issues(search="vpn")] == ["Mail", "VPN"]
    assert [one.name for one in tracker.issues(sort="-name")] == ["VPN", "Mail", "Line"]
    assert [one.name for one in tracker.issues(open=True)] == ["VPN"]
    assert [one.name for one in tracker.issues(status=["new", "closed"], company_id=acme)] == ["Mail", "VPN"]
    both = tracker.issues(status="resolved", company_name="contoso")
    assert [[a.company_name for a in one.assignments] for one in both] == [["Contoso"]]
    line = tracker.issue("Line")
    assert [one.name for one in tracker.issues(updated_since=line.updated_at)] == ["Line"]


def test_pages_are_fetched_as_they_are_used(tracker: Tracker) -> None:
    for number in range(7):
        tracker.create_issue(f"Issue {number}", companies=["Acme"])
    pages = tracker.issues(page_size=3, company_name="Acme")
    assert next(pages).name == "Issue 0"
    tracker.create_issue("Issue 25")
    tracker.create_issue("Issue 55", companies=["Acme"])
    tracker.update_issue("Issue 0", new_name="Issue 9")
    assert [one.name for one in pages] == [*(f"Issue {n}" for n in (1, 2, 3, 4, 5)), "Issue 55", "Issue 6", "Issue 9"]


def _unchanged(tracker: Tracker) -> bool:
    listing = tracker.poll_issues(status="new")
    return listing is not None and tracker.poll_issues(status="new", etag=listing.etag) is None


def test_polling_returns_none_if_nothing_has_changed(tracker: Tracker) -> None:
    made = tracker.create_issue("VPN", companies=["Acme"])
    listing = tracker.poll_issues(status="new")
    assert listing is not None
    assert (listing.total, [one.name for one in listing]) == (1, ["VPN"])
    # On PostgreSQL any other transaction in the cluster, even one of the server itself, gives a list another ETag.
    eventually(lambda: _unchanged(tracker))
    assert made.etag
    assert tracker.issue_if_changed("VPN", made.etag) is None
    tracker.set_status("VPN", "Acme", "closed")
    changed = tracker.issue_if_changed("VPN", made.etag)
    assert changed is not None
    assert changed.etag != made.etag
    listing = tracker.poll_issues(status="new", etag=listing.etag)
    assert listing is not None and listing.total == 0


def test_a_position_finds_later_changes(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies=["Acme"])
    tracker.create_issue("Printer", companies=["Acme"])
    whole = tracker.poll_issues()
    assert whole is not None and whole.position
    tracker.set_status("VPN", "Acme", "closed")
    changed = tracker.poll_issues(changed_since=whole.position)
    assert changed is not None and [one.name for one in changed] == ["VPN"]
    nothing = tracker.poll_issues(changed_since=changed.position)
    assert nothing is not None and nothing.total == 0
    with pytest.raises(InvalidQuery):
        tracker.poll_issues(changed_since="elsewhere")


def test_if_match_changes_only_the_version_that_was_read(tracker: Tracker, admin: Tracker) -> None:
    read = tracker.create_issue("VPN", companies=["Acme"])
    admin.set_status("VPN", "Acme", "monitoring")
    with pytest.raises(Changed) as refused:
        tracker.update_issue("VPN", description="mine", if_match=read.etag)
    assert refused.value.etag == tracker.issue("VPN").etag
    with pytest.raises(Changed):
        admin.delete_issue("VPN", if_match=read.etag)
    with pytest.raises(Changed):
        tracker.set_status("VPN", "Acme", "closed", if_match=read.etag)
    with pytest.raises(Changed):
        tracker.unassign("VPN", "Acme", if_match=read.etag)
    with pytest.raises(Changed):
        tracker.set_status_in_bulk("VPN", "closed", if_match=read.etag)
    mine = tracker.update_issue("VPN", description="mine", if_match=refused.value.etag)
    assert mine.description == "mine"
    moved = tracker.set_status("VPN", "Acme", "resolved", if_match=mine.etag)
    closed = tracker.set_status_in_bulk("VPN", "closed", if_match=moved.etag)
    tracker.unassign("VPN", "Acme", if_match=closed.etag)
    admin.delete_issue("VPN", if_match=tracker.issue("VPN").etag)


def test_one_request_changes_many_companies(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies={"Acme": "new", "Contoso": "closed", "Globex": "monitoring"})

    def outcomes(result: BulkResult) -> list[tuple[str, str]]:
        assert (result.issue_name, result.status) == ("VPN", "resolved")
        assert result.changed == sum(one.outcome == "changed" for one in result.results)
        return [(one.company_name, one.outcome) for one in result.results]

    bulk = partial(tracker.set_status_in_bulk, "vpn", "resolved")
    expected = [("Acme", "changed"), ("Contoso", "skipped"), ("Globex", "skipped")]
    assert outcomes(bulk(exclude=["globex"], dry_run=True)) == expected
    assert [one.status for one in tracker.issue("VPN").assignments] == ["new", "closed", "monitoring"]
    assert outcomes(bulk(exclude=["globex"])) == expected
    again = [("Acme", "unchanged"), ("Contoso", "changed"), ("Globex", "skipped")]
    assert outcomes(bulk(from_statuses=["closed"])) == again
    added = [("Globex", "changed"), ("Initrode", "changed")]
    assert outcomes(bulk(companies=["Globex", "Initrode"], note="All done")) == added
    assert outcomes(bulk(companies=[])) == []


def test_groups_stand_for_their_companies(world: World, tracker: Tracker) -> None:
    group = {"name": "North", "company_names": ["Acme", "Globex"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    made = tracker.create_issue("VPN", companies={"Acme": "closed"}, company_groups=["north"])
    assert [(one.company_name, one.status) for one in made.assignments] == [("Acme", "closed"), ("Globex", "new")]
    tracker.create_issue("Line", companies=["Contoso"])
    assert len(tracker.update_issue("Line", company_groups=["North"]).assignments) == 3
    assert tracker.set_status_in_bulk("Line", "resolved", company_groups=["North"]).changed == 2
    found = tracker.issues(company_group="NORTH", status="resolved")
    assert [(one.name, len(one.assignments)) for one in found] == [("Line", 2)]
    with pytest.raises(NotFound):
        tracker.create_issue("New", company_groups=["Nobody"])
    with pytest.raises(Misuse):
        tracker.create_issue("New", company_groups="North")


def test_issues_are_exported_as_csv(tracker: Tracker) -> None:
    tracker.create_issue("VPN", description='says "no"', companies={"Acme": "new"})
    tracker.create_issue("Line")
    header, vpn, end = tracker.export_csv(status="new").split("\r\n")
    assert header == "name,description,company_name,status,created_at,updated_at"
    assert vpn.startswith('VPN,"says ""no""",Acme,new,20')
    assert end == ""


def test_companies_are_created_changed_and_deleted(tracker: Tracker, admin: Tracker) -> None:
    made = admin.create_company("Hooli & Söhne")
    tracker.create_issue("VPN", companies=["hooli & söhne"])
    (found,) = tracker.companies(search="HOOLI")
    assert (found.company_id, found.open_issues) == (made.company_id, 1)
    with pytest.raises(Forbidden):
        tracker.create_company("Mine")
    with pytest.raises(BadRequest):
        admin.delete_company(made.company_id)
    assert admin.update_company(made.company_id, name="Hooli").name == "Hooli"
    assert admin.update_company(made.company_id, archived=True).archived
    assert tracker.companies(search="hooli").items == ()
    assert len(tracker.companies(search="hooli", include_archived=True).items) == 1
    admin.delete_company(admin.create_company("Gone soon").company_id)


def test_call_reaches_the_rest_of_the_api(tracker: Tracker, admin: Tracker, url: str) -> None:
    with Tracker(url, email=CAST["ada"][0], password=PASSWORD) as session:
        user = session.call("POST", "/api/users", body={"email": "new@example.org", "name": "New", "role": "member"})
        assert not session.call("PUT", f"/api/users/{user['user_id']}", body={"active": False})["active"]
    tracker.create_issue("VPN")
    assert tracker.call("GET", "/api/issues", query={"search": "vpn", "limit": 1})["total"] == 1
    assert admin.call("DELETE", "/api/issues/VPN") is None
