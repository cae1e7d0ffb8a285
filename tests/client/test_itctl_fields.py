"""itctl with the fields of issues and with company groups; merging, and issues with similar names."""

import json

from issue_tracker_client import Tracker
from tests.client.conftest import Run


def test_fields_and_groups_can_be_set_and_filtered(itctl: Run, technician: Tracker, admin: Tracker) -> None:
    admin.call("POST", "/api/company-groups", body={"name": "North", "company_names": ["Acme", "Contoso"]})
    me = "tess@helpdesk.example"
    fields = ["--severity", "high", "--owner", me, "--tag", "wan", "--tag", "carrier", "--external-key", "line-1"]
    more = ["--next-update", "2026-01-09T16:00+01:00", "--reference", "PSA: T 17 https://psa.example.com/17"]
    itctl("create", "Line", "--group", "North", "--except", "Contoso", *fields, *more)
    made = technician.issue("Line")
    assert [one.company_name for one in made.assignments] == ["Acme"]
    assert (made.severity, made.owner and made.owner.name, made.external_key) == ("high", "Tess Ngo", "line-1")
    assert made.tags == ("carrier", "wan") and made.next_update_at is not None and made.next_update_at.hour == 15
    assert [(one.system, one.key, one.url) for one in made.references] == [
        ("PSA", "T 17", "https://psa.example.com/17")
    ]
    shown = itctl("show", "line").stdout
    for line in ("severity: high", "tags: carrier, wan", "references: PSA: T 17 https://psa.example.com/17"):
        assert line in shown.splitlines()
    for query in (["--group", "north", "--except", "contoso"], ["--tag", "WAN"], ["--owner", "me"], ["--overdue"]):
        assert itctl("list", *query, "--sort", "attention").stdout.count("\n") == 1, query
    assert itctl("list", "--group", "North", "--except", "Acme").stdout == ""

    clear = ["--severity", "", "--owner", "", "--tag", "", "--reference", "", "--next-update", "", "--external-key", ""]
    itctl("update", "Line", *clear, "--group", "North")
    left = technician.issue("Line")
    assert not any((left.severity, left.owner, left.tags, left.references, left.next_update_at, left.external_key))
    assert [one.company_name for one in left.assignments] == ["Acme", "Contoso"]
    assert itctl(
        "move", "Line", "monitoring", "--group", "North", "--except", "Acme", "--dry-run"
    ).stdout.splitlines() == [
        "skipped\tAcme\tnew\tnew",
        "changed\tContoso\tnew\tmonitoring",
    ]
    made_for = json.loads(itctl("say", "Line", "x", "--group", "North", "--except", "Acme", "--json").stdout)
    assert made_for["company_names"] == ["Contoso"]
    assert "Nothing to change" in itctl("update", "Line", code=2).stderr
    assert "does not have the form" in itctl("update", "Line", "--reference", "T-17", code=2).stderr
    assert "is not a time" in itctl("update", "Line", "--next-update", "soon", code=2).stderr


def test_issues_can_be_merged_and_similar_names_found(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("Network degradation", companies=["Acme"])
    technician.create_issue("No internet", companies=["Contoso"])
    preview = itctl("merge", "No internet", "Network degradation", "--dry-run").stdout
    assert "Contoso" in preview and technician.issue("No internet").name == "No internet"
    assert itctl("--verbose", "merge", "No internet", "Network degradation").stdout == (
        "No internet: merged into Network degradation\n"
    )
    assert itctl("similar", "netwrk degradation").stdout == "Network degradation\t2\t2\t\n"
    [found] = map(json.loads, itctl("similar", "no internet", "--limit", "1", "--json").stdout.splitlines())
    assert (found["name"], found["former_name"]) == ("Network degradation", "No internet")
    assert technician.templates().total == 0


def test_the_fields_of_one_company_can_be_set(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("Line", companies=["Acme"], external_key="line-1")
    ticket = "PSA: T 17 https://psa.example.com/17"
    itctl("set", "Line", "Acme", "investigating", "--owner", "tess@helpdesk.example", "--reference", ticket)
    [acme] = technician.issue("Line", include="details").assignments
    assert (acme.status, acme.owner and acme.owner.name) == ("investigating", "Tess Ngo")
    assert [(one.system, one.key, one.url) for one in acme.references] == [
        ("PSA", "T 17", "https://psa.example.com/17")
    ]
    assert f"Tess Ngo  {ticket}" in itctl("show", "Line", "--details").stdout
    assert "Tess Ngo" not in itctl("show", "Line").stdout
    itctl("set", "Line", "Acme", "monitoring")
    assert technician.issue("Line", include="details").assignments[0].owner == acme.owner
    itctl("set", "--by-key", "line-1", "Acme", "monitoring", "--owner", "", "--reference", "")
    [acme] = technician.issue("Line", include="details").assignments
    assert (acme.status, acme.owner, acme.references) == ("monitoring", None, ())
    itctl("set", "--create", "Second line", "Contoso", "new", "--owner", "tess@helpdesk.example")
    assert technician.issue("Second line", include="details").assignments[0].owner is not None


def test_an_external_key_identifies_an_issue(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("Line", companies=["Acme"], external_key="line-1")
    technician.create_issue("Line again", companies=["Contoso"], external_key="line-2")
    made = json.loads(itctl("say", "--by-key", "line-1", "On it", "--json").stdout)
    itctl("move", "--by-key", "line-1", "monitoring", "--note", "Spliced")
    itctl("resolve", "--by-key", "--if-exists", "line-9")
    assert "line-9" in itctl("resolve", "--by-key", "line-9", code=1).stderr
    assert "no company" in itctl("resolve", "--by-key", "--if-exists", "line-1", "--only", "Nobody", code=1).stderr
    itctl("merge", "--by-key", "line-2", "Line")
    assert [(one.company_name, one.status) for one in technician.issue("Line").assignments] == [
        ("Acme", "monitoring"),
        ("Contoso", "new"),
    ]
    itctl("edit", str(made["update_id"]), "Spliced", "--public")
    [update] = technician.updates()
    assert (update.body, update.public) == ("Spliced", True)
    itctl("withdraw", str(made["update_id"]))
    assert list(technician.updates()) == []
    assert "Nothing to change" in itctl("edit", str(made["update_id"]), code=2).stderr
    assert "omit --by-key" in itctl("set", "--by-key", "--create", "line-1", "Acme", "new", code=2).stderr
