"""The examples for cron and for monitoring systems, run as they lie there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from issue_tracker_client import Tracker
from tests.clients import post

EXAMPLES = Path(__file__).parents[2] / "client" / "examples"


@pytest.fixture
def environment(url: str, token: str, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "token"
    file.write_text(token)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    here = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}  # the client that is tested
    return {"PATH": path, "ITCTL_URL": url, "ITCTL_TOKEN_FILE": str(file), "PYTHONUTF8": "1"} | here


def run(example: str, *arguments: str, env: dict[str, str]) -> None:
    """Run an example as cron does: it must succeed and say nothing."""
    done = subprocess.run(
        [EXAMPLES / example, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def status(tracker: Tracker, issue: str) -> list[tuple[str, str]]:
    return [(one.company_name, one.status) for one in tracker.issue(issue).assignments]


def test_closing_what_has_long_been_resolved(environment: dict[str, str], technician: Tracker) -> None:
    technician.create_issue("VPN", companies={"Acme": "resolved", "Contoso": "monitoring"})
    run("cron/close_resolved.py", "--days", "7", env=environment)
    assert status(technician, "VPN") == [("Acme", "resolved"), ("Contoso", "monitoring")]
    run("cron/close_resolved.py", "--days", "0", env=environment)
    assert status(technician, "VPN") == [("Acme", "closed"), ("Contoso", "monitoring")]


def test_a_line_that_fails_and_works_again(environment: dict[str, str], technician: Tracker) -> None:
    def check(ping: str) -> None:
        run("cron/check_line.sh", "Line to Springfield", "Acme", "192.0.2.1", env=environment | {"PING": ping})

    check("true")
    assert list(technician.issues()) == []
    check("false")
    check("false")
    assert status(technician, "Line to Springfield") == [("Acme", "investigating")]
    check("true")
    assert status(technician, "Line to Springfield") == [("Acme", "resolved")]
    technician.set_status("Line to Springfield", "Acme", "closed")
    check("true")
    assert status(technician, "Line to Springfield") == [("Acme", "closed")]
    technician.update_issue("Line to Springfield", new_name="LINE TO SPRINGFIELD")
    technician.set_status("Line to Springfield", "Acme", "investigating")
    check("true")
    assert status(technician, "Line to Springfield") == [("Acme", "resolved")]


def test_a_line_test_that_cannot_tell_says_so(environment: dict[str, str]) -> None:
    command = [str(EXAMPLES / "cron/check_line.sh"), "Line", "Acme", "192.0.2.1"]
    changes = {"PING": "true", "ITCTL_URL": "http://127.0.0.1:9", "ITCTL_PATIENCE": "0"}
    done = subprocess.run(command, env=environment | changes, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_notifications_of_icinga(environment: dict[str, str], technician: Tracker) -> None:
    def notify(kind: str, state: str, **more: str) -> None:
        given = {"NOTIFICATIONTYPE": kind, "HOSTNAME": "fw-1", "STATE": state, "OUTPUT": "Packet loss = 100%"}
        run("icinga/notify_tracker.sh", env=environment | given | more)

    notify("PROBLEM", "CRITICAL", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "investigating")]
    notify("ACKNOWLEDGEMENT", "CRITICAL", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "in_progress")]
    notify("RECOVERY", "OK", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "resolved")]
    notify("FLAPPINGSTART", "OK", SERVICEDESC="ping4", COMPANY="Acme")
    notify("PROBLEM", "DOWN")
    assert [one.name for one in technician.issues()] == ["ping4 on fw-1"]
    notify("PROBLEM", "DOWN", COMPANY="Acme")
    assert next(technician.events(issue_name="Host down on fw-1")).note == "DOWN: Packet loss = 100%"
    notify("RECOVERY", "UP", COMPANY="Acme", OUTPUT="ä" * 2000)
    note = next(technician.events(issue_name="Host down on fw-1")).note or ""
    assert note.startswith("UP: ää") and set(note[4:]) == {"ä"} and 990 < len(note) <= 2000


def test_alerts_of_alertmanager(environment: dict[str, str], technician: Tracker) -> None:
    command = [sys.executable, str(EXAMPLES / "alertmanager" / "alertmanager_webhook.py"), "--port", "0"]
    receiver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert receiver.stdout
        port = receiver.stdout.readline().rpartition(" ")[2].strip(".\n")
        hook = f"http://127.0.0.1:{port}/"
        assert post(hook, json=notification("firing", "Acme")).status_code == 200
        assert post(hook, json=notification("firing", "Contoso")).status_code == 200
        assert status(technician, "ProbeFailure") == [("Acme", "investigating"), ("Contoso", "investigating")]
        assert technician.issue("ProbeFailure").description == "Probe failed"
        assert post(hook, json=notification("resolved", "Acme")).status_code == 200
        assert status(technician, "ProbeFailure") == [("Acme", "resolved"), ("Contoso", "investigating")]
        unknown = post(hook, json=notification("firing", "Initech"))
        assert (unknown.status_code, "Initech" in unknown.text) == (400, True)
        several = notification("firing", "Initech")
        several["alerts"] = [*several["alerts"], *notification("firing", "Globex")["alerts"]]
        partly = post(hook, json=several)
        assert (partly.status_code, "Initech" in partly.text, "Globex" in partly.text) == (400, True, False)
        assert ("Globex", "investigating") in status(technician, "ProbeFailure")
        several["alerts"][0]["labels"]["issue"] = "Of nobody"
        assert post(hook, json=several).status_code == 400
        assert [one.name for one in technician.issues()] == ["ProbeFailure"]
        assert post(hook, content=b"{}").status_code == 400
    finally:
        receiver.terminate()
        receiver.wait(20)


def notification(state: str, company: str) -> dict[str, Any]:
    """What Alertmanager sends, version 4, with a second alert that differs in another label and is
    resolved.
    """
    alert = {
        "labels": {"alertname": "ProbeFailure", "company": company, "instance": "a"},
        "annotations": {"summary": "Probe failed", "description": "down for over 5m"},
        "startsAt": "2025-01-04T10:15:00.828Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "1a30ba71cca2921f",
    }
    other = alert | {"status": "resolved", "labels": {"alertname": "ProbeFailure", "company": company, "instance": "b"}}
    stray = alert | {"status": "firing", "labels": {"alertname": "Unrelated"}}
    return {"version": "4", "status": state, "alerts": [alert | {"status": state}, other, stray], "truncatedAlerts": 0}
