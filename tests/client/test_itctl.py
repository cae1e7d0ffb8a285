"""itctl as scripts use it: its environment, its output, its exit code."""

import json
import os
import signal
import subprocess

from issue_tracker_client import Tracker
from tests.client.conftest import ITCTL, Run
from tests.client.troubles import Trouble, TroubledNetwork, response


def test_cron_gets_no_output_or_one_sentence(environment: dict[str, str], technician: Tracker) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    for status, expected in (("resolved", 0), ("fine", 1)):
        command = [str(ITCTL), "set", "VPN", "Acme", status]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (expected, "", expected)
    assert technician.issue("VPN").assignments[0].status == "resolved"


def test_a_change_prints_nothing_unless_requested(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("Network degradation", companies=["Acme"])
    done = itctl("set", "Network degradation", "Acme", "resolved", "--note", "Line replaced")
    assert done == ("", "")
    assert technician.issue("Network degradation").assignments[0].status == "resolved"
    done = itctl("--verbose", "set", "network degradation", "acme", "closed")
    assert done.stdout == "Network degradation / Acme: closed\n"
    response = itctl("set", "Network degradation", "Acme", "in progress", "--json").stdout
    assert json.loads(response)["status"] == "in_progress"


def test_an_issue_is_created_changed_and_deleted(itctl: Run, technician: Tracker) -> None:
    itctl("create", "VPN", "--description", "Hangs", "--company", "Acme=investigating", "--company", "A=B")
    made = json.loads(itctl("show", "vpn", "--json").stdout)
    assert [(one["company_name"], one["status"]) for one in made["assignments"]] == [
        ("A=B", "new"),
        ("Acme", "investigating"),
    ]
    assert made["created_at"].endswith("+00:00")
    itctl("update", "VPN", "--rename", "WAN", "--description", "", "--company", "Contoso", "--if-match", made["etag"])
    refused = itctl("update", "WAN", "--description", "x", "--if-match", made["etag"], code=1)
    assert refused.stderr.startswith("itctl: The issue has changed")
    itctl("unassign", "WAN", "A=B")
    shown = itctl("show", "WAN").stdout
    assert shown.splitlines()[0] == "WAN"
    assert "Acme     Investigating" in shown
    assert itctl("delete", "WAN", code=1).stdout == ""
    itctl("set", "--create", "New one", "Acme", "new", "--description", "made on the way")
    itctl("set", "--create", "New one", "Acme", "closed")
    assert technician.issue("New one").description == "made on the way"


def test_say_adds_an_update(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", companies=["Acme", "Contoso"])
    assert itctl("say", "VPN", "Two\nlines", "--company", "Acme", "--status", "monitoring") == ("", "")
    made = json.loads(itctl("say", "vpn", "For everyone", "--public", "--json").stdout)
    assert made["public"] is True and made["company_names"] is None
    lines = [line.split("\t")[2:] for line in itctl("updates", "--issue", "VPN").stdout.splitlines()]
    assert lines == [["VPN", "public", "For everyone"], ["VPN", "internal", "Two\\nlines"]]
    assert len(itctl("updates", "--internal").stdout.splitlines()) == 1
    assert itctl("say", "VPN", " ", code=1).stderr.startswith("itctl: body: must not be blank")


def test_lists_are_tab_separated_or_json(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", companies={"Acme": "investigating", "Contoso": "new"})
    technician.create_issue("Mail", companies={"Acme": "resolved"})
    technician.create_issue("Line")
    rows = [line.split("\t")[:3] for line in itctl("list").stdout.splitlines()]
    assert rows == [
        ["Line", "", ""],
        ["Mail", "Acme", "resolved"],
        ["VPN", "Acme", "investigating"],
        ["VPN", "Contoso", "new"],
    ]
    lines = itctl("list", "--status", "investigating", "--status", "resolved", "--json").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["Mail", "VPN"]
    assert itctl("list", "--open", "--company", "acme", "--search", "vp").stdout.count("\n") == 1
    assert itctl("list", "--limit", "1", "--sort", "-name").stdout.startswith("VPN\t")
    assert itctl("list", "--limit", "1", "--sort", "-open_count").stdout.startswith("VPN\t")
    assert itctl("list", "--since", "2999-01-01T00:00").stdout == ""
    assert "Acme\t1\n" in itctl("companies").stdout
    assert itctl("export").stdout.splitlines()[0].startswith("name,description,company_name")


def test_resolve_skips_the_excluded_companies(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", companies={"Acme": "new", "Contoso": "closed", "Globex": "monitoring"})
    plan = itctl("resolve", "VPN", "--except", "globex", "--dry-run").stdout
    assert [line.split("\t")[:2] for line in plan.splitlines()] == [
        ["changed", "Acme"],
        ["skipped", "Contoso"],
        ["skipped", "Globex"],
    ]
    assert technician.issue("VPN").assignments[0].status == "new"
    assert itctl("resolve", "VPN", "--except", "Globex", "--note", "Router replaced").stdout == ""
    assert [one.status for one in technician.issue("VPN").assignments] == ["resolved", "closed", "monitoring"]
    moved = json.loads(itctl("move", "VPN", "closed", "--from", "resolved", "--only", "Acme", "--json").stdout)
    assert moved["changed"] == 1
    assert moved["results"][0] == {"company_name": "Acme", "outcome": "changed", "from": "resolved", "to": "closed"}


def test_a_key_makes_a_second_run_harmless(itctl: Run, technician: Tracker) -> None:
    first = itctl("create", "VPN", "--idempotency-key", "nightly-2025-01-04", "--json").stdout
    assert itctl("create", "VPN", "--idempotency-key", "nightly-2025-01-04", "--json").stdout == first
    assert len(list(technician.issues())) == 1
    itctl("create", "Other", "--idempotency-key", "nightly-2025-01-04", code=1)


def test_errors_are_one_sentence_with_an_exit_code(itctl: Run, technician: Tracker) -> None:
    unknown = itctl("set", "VPN", "Acme", "resolved", code=1)
    assert unknown.stdout == ""
    assert unknown.stderr.startswith("itctl: ")
    assert unknown.stderr.count("\n") == 1
    assert "[request " in unknown.stderr
    technician.create_issue("VPN")
    assert itctl("set", "VPN", "Acme", "fine", code=1).stderr.count("must be one of") == 1
    itctl("list", ITCTL_TOKEN_FILE="", ITCTL_TOKEN="itk_0123456789abcdef_" + "x" * 43, code=1)
    for arguments in (
        ["set", "VPN"],
        ["nonsense"],
        [],
        ["show", " "],
        ["list", "--since", "soon"],
        ["--url", "x", "list"],
    ):
        assert itctl(*arguments, code=2).stdout == ""
    for changed in ({"ITCTL_URL": ""}, {"ITCTL_TOKEN_FILE": "/nowhere"}, {"ITCTL_TOKEN_FILE": ""}):
        assert itctl("list", code=2, **changed).stderr.count("\n") == 1
    away = itctl("list", ITCTL_URL="http://127.0.0.1:9", ITCTL_PATIENCE="0.2", code=3)
    assert away.stderr.startswith("itctl: The server cannot be reached")


def test_requests_to_a_busy_server_are_retried_until_patience_is_used_up(
    itctl: Run, network: TroubledNetwork, technician: Tracker
) -> None:
    technician.create_issue("VPN")
    network.ahead = [response(429, retry_after="0")] * 9
    assert itctl("--patience", "60", "list", ITCTL_URL=network.url).stdout.startswith("VPN\t")
    assert len(network.requests) == 10


def test_a_change_without_a_response_is_not_reported_as_done(itctl: Run, network: TroubledNetwork) -> None:
    network.ahead = [response(301, location="https://elsewhere.test/"), Trouble.RESPONSE_LOST]
    moved = itctl("delete", "VPN", ITCTL_URL=network.url, code=1)
    assert "301 with a redirect to https://elsewhere.test/" in moved.stderr
    lost = itctl("unassign", "VPN", "typo", ITCTL_URL=network.url, code=3)
    assert "may have been made" in lost.stderr


def test_a_command_that_would_change_nothing_is_wrong_usage(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN")
    assert "--rename" in itctl("update", "VPN", code=2).stderr
    assert "--create" in itctl("set", "VPN", "Acme", "new", "--description", "Hangs", code=2).stderr
    assert technician.issue("VPN").assignments == ()


def test_an_issue_is_created_with_its_company_or_not_at_all(itctl: Run, technician: Tracker) -> None:
    itctl("set", "--create", "VPN", "Initech", "new", "--note", "by phone", code=1)
    itctl("set", "--create", "VPN", "Acme", "fine", "--note", "by phone", code=1)
    itctl("set", "--create", "VPN", "Acme", "new", "--note", "x" * 2001, code=1)
    assert list(technician.issues()) == []
    itctl("set", "--create", "VPN", "Acme", "monitoring", "--description", "Hangs")
    made = technician.issue("vpn")
    assert (made.description, made.assignments[0].status) == ("Hangs", "monitoring")
    assert [one.type for one in technician.events(issue_name="VPN")] == ["assignment.created", "issue.created"]
    itctl("set", "--create", "WAN", "Acme", "monitoring", "--note", "by phone")
    last = next(technician.events(issue_name="WAN"))
    assert (last.to, last.note) == ("monitoring", "by phone")
    silent = itctl("set", "--create", "LAN", "Acme", "investigating", "--note", "by phone")
    said = itctl("set", "--create", "Mail", "Acme", "New", "--note", "by phone")
    assert silent.stderr == "" and said.stderr == "itctl: The note was not recorded: the company starts as new.\n"
    assert technician.issue("Mail").assignments[0].status == "new"
    assert "reserved" in itctl("set", "--create", "Status", "Acme", "new", code=1).stderr


def test_a_missing_issue_is_not_created_under_a_former_name(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    technician.update_issue("VPN", new_name="VPN tunnel")
    itctl("set", "--create", "VPN", "Acme", "monitoring")
    itctl("set", "--create", "VPN", "Globex", "investigating", "--note", "by phone")
    [issue] = technician.issues()
    assert {one.company_name: one.status for one in issue.assignments} == {
        "Acme": "monitoring",
        "Globex": "investigating",
    }
    assert issue.name == "VPN tunnel"


def test_if_exists_ignores_a_missing_issue(itctl: Run, technician: Tracker) -> None:
    itctl("resolve", "VPN", code=1)
    assert itctl("resolve", "VPN", "--if-exists", "--only", "Acme") == ("", "")
    assert list(technician.issues()) == []
    technician.create_issue("VPN", companies={"Acme": "new"})
    itctl("resolve", "vpn", "--if-exists", "--only", "Initech", code=1)
    itctl("resolve", "vpn", "--if-exists", "--only", "Acme")
    assert technician.issue("VPN").assignments[0].status == "resolved"


def test_arguments_that_are_not_text_are_rejected(environment: dict[str, str]) -> None:
    done = subprocess.run([os.fsencode(ITCTL), b"show", b"\xff"], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_watch_prints_events_until_interrupted(environment: dict[str, str], technician: Tracker) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    newest = next(technician.events()).event_id
    watching = subprocess.Popen(
        [ITCTL, "watch", "--json", "--issue", "vpn", "--after", str(newest)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background makes them and their children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it only sets a signal handler
    )
    assert watching.stdout
    assert watching.stderr
    technician.create_issue("Another", companies=["Acme"])
    technician.set_status("VPN", "Acme", "resolved", note="Line replaced")
    event = json.loads(watching.stdout.readline())
    assert (event["issue_name"], event["from"], event["to"], event["note"]) == (
        "VPN",
        "new",
        "resolved",
        "Line replaced",
    )
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 130
    assert watching.stderr.read().strip() == ""


def test_watch_follows_an_issue_that_is_renamed(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    newest = next(iter(technician.events(page_size=1))).event_id
    technician.update_issue("VPN", new_name="WAN")
    technician.create_issue("Printer", companies=["Acme"])
    technician.set_status("WAN", "Acme", "resolved")
    printed = itctl("watch", "--after", str(newest), "--issue", "vpn", "--limit", "2").stdout
    assert [line.split("\t")[2:5] for line in printed.splitlines()] == [
        ["issue.updated", "WAN", "VPN -> WAN"],
        ["assignment.status_changed", "WAN / Acme", "new -> resolved"],
    ]


def test_watch_ends_after_the_requested_number_of_events(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    lines = itctl("watch", "--after", "0", "--issue", "VPN", "--limit", "2").stdout.splitlines()
    assert [line.split("\t")[2:4] for line in lines] == [["issue.created", "VPN"], ["assignment.created", "VPN / Acme"]]
    history = itctl("events", "--issue", "vpn", "--limit", "1").stdout
    assert history.split("\t")[2] == "assignment.created"


def test_a_reader_that_stops_reading_is_not_an_error(environment: dict[str, str], technician: Tracker) -> None:
    for number in range(3):
        technician.create_issue(f"Issue {number}")
    done = subprocess.run(
        f"set -o pipefail; '{ITCTL}' list | true",
        shell=True,
        executable="/bin/bash",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_alerts_are_raised_and_cleared(itctl: Run, technician: Tracker) -> None:
    """The example scripts call it every minute: a technician's status is not overwritten."""
    words = ("raise", "ping/acme", "Line down", "Acme", "--summary", "No answer", "--severity", "high")
    assert itctl(*words) == ("", "")
    assert itctl("--verbose", *words).stdout == "ping/acme: kept, Line down / Acme: investigating\n"
    assert technician.issue("Line down").description == "No answer"
    technician.set_status("Line down", "Acme", "in_progress")
    assert json.loads(itctl(*words, "--json").stdout)["count"] == 3
    assert json.loads(itctl("clear", "ping/acme", "--json").stdout)["action"] == "kept"
    technician.set_status("Line down", "Acme", "resolved")
    assert json.loads(itctl(*words, "--json").stdout)["action"] == "reopened"
    assert itctl("--verbose", "clear", "ping/acme").stdout == "ping/acme: cleared, Line down / Acme: resolved\n"
    assert json.loads(itctl("raise", "x", "Line down", "Nobody Ltd", "--json").stdout)["action"] == "unsorted"
    assert "Nobody Ltd" in itctl("raise", "x", "Line down", "Nobody Ltd", "--strict", code=1).stderr
